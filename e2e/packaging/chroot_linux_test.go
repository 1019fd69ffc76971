package packaging_test

import (
	"os"
	"syscall"
)

// rootedAt makes a directory the root directory of a program. Who is not root is it in a namespace of his own.
func rootedAt(dir string) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Chroot: dir, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	return attr
}
