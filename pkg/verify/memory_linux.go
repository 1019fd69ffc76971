package verify

import "golang.org/x/sys/unix"

// peakMemory returns the greatest resident size of this process so far, in bytes.
func peakMemory() int64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return int64(usage.Maxrss) << 10
}
