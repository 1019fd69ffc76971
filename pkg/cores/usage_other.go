//go:build !unix

package cores

import "time"

func cpuTime() time.Duration { return 0 }
