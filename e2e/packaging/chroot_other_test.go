//go:build !linux

package packaging_test

import "syscall"

// rootedAt does nothing where Debian's packages do not run.
func rootedAt(string) *syscall.SysProcAttr { return nil }
