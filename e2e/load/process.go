package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ProcessSample is what a process used at one moment.
type ProcessSample struct {
	At       time.Time
	RSSBytes int64
	CPU      time.Duration // user and system time since the process began
	FDs      int           // open file descriptors
}

// ProcessSamples are in order of time.
type ProcessSamples []ProcessSample

// clockTick is the unit of CPU times in /proc on every Linux of today.
const clockTick = time.Second / 100

// Processes samples a process of this machine (Linux) at once and then at every
// interval, until ctx ends or the process does; neither is an error.
func Processes(ctx context.Context, pid int, interval time.Duration) (ProcessSamples, error) {
	var samples ProcessSamples
	for {
		sample, err := readProcess(filepath.Join("/proc", strconv.Itoa(pid)))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			if len(samples) == 0 {
				return nil, fmt.Errorf("sample process %d: %w", pid, err)
			}
			return samples, nil
		}
		if err != nil {
			return samples, fmt.Errorf("sample process %d: %w", pid, err)
		}
		samples = append(samples, sample)
		if pause(ctx, interval) != nil {
			return samples, nil
		}
	}
}

func readProcess(dir string) (ProcessSample, error) {
	sample := ProcessSample{At: time.Now()}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return sample, err
	}
	// The command, in parentheses, may hold anything; state is the first field
	// behind it, user and system time are the 12th and 13th, RSS the 22nd.
	const state, userTime, systemTime, residentPages = 0, 11, 12, 21
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) <= residentPages {
		return sample, fmt.Errorf("read stat: %d fields", len(fields))
	}
	if fields[state] == "Z" {
		return sample, os.ErrNotExist // ended, though not yet waited for
	}
	var numbers [3]int64
	for i, at := range [...]int{userTime, systemTime, residentPages} {
		if numbers[i], err = strconv.ParseInt(fields[at], 10, 64); err != nil {
			return sample, fmt.Errorf("read stat: %w", err)
		}
	}
	sample.CPU = time.Duration(numbers[0]+numbers[1]) * clockTick
	sample.RSSBytes = numbers[2] * int64(os.Getpagesize())
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return sample, err
	}
	sample.FDs = len(fds)
	return sample, nil
}

// After returns the samples taken at least d after the first one, to leave out
// a process's start.
func (s ProcessSamples) After(d time.Duration) ProcessSamples {
	for i := range s {
		if s[i].At.Sub(s[0].At) >= d {
			return s[i:]
		}
	}
	return nil
}

// PeakRSSBytes returns the highest resident size.
func (s ProcessSamples) PeakRSSBytes() (peak int64) {
	for _, sample := range s {
		peak = max(peak, sample.RSSBytes)
	}
	return peak
}

// CPU returns the CPU time used between the first sample and the last.
func (s ProcessSamples) CPU() time.Duration {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].CPU - s[0].CPU
}

// Slope returns by how much value grows per second, by least squares; 0 for
// fewer than two samples. RSS growth in bytes per second:
//
//	samples.Slope(func(s ProcessSample) float64 { return float64(s.RSSBytes) })
func (s ProcessSamples) Slope(value func(ProcessSample) float64) float64 {
	if len(s) < 2 {
		return 0
	}
	var n, sumX, sumY, sumXX, sumXY float64
	for _, sample := range s {
		x, y := sample.At.Sub(s[0].At).Seconds(), value(sample)
		n++
		sumX, sumY, sumXX, sumXY = sumX+x, sumY+y, sumXX+x*x, sumXY+x*y
	}
	spread := n*sumXX - sumX*sumX
	if spread == 0 {
		return 0
	}
	return (n*sumXY - sumX*sumY) / spread
}
