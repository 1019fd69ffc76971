package main

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"time"
)

// part is what one part of a floor cost this process.
type part struct {
	Name       string  `json:"name"`
	Bytes      int64   `json:"bytes"`
	CPUSeconds float64 `json:"cpu_seconds"` // user and system
	Seconds    float64 `json:"seconds"`
}

// measure runs one part of a floor.
func measure(name string, work func() (int64, error)) (part, error) {
	p := part{Name: name}
	before, err := cpuTime()
	if err != nil {
		return p, err
	}
	started := time.Now()
	if p.Bytes, err = work(); err != nil {
		return p, fmt.Errorf("%s: %w", name, err)
	}
	p.Seconds = time.Since(started).Seconds()
	after, err := cpuTime()
	p.CPUSeconds = (after - before).Seconds()
	return p, err
}

// report runs the parts in order and writes them to stdout as one JSON array.
func report(parts ...func() (part, error)) error {
	var done []part
	for _, run := range parts {
		p, err := run()
		if err != nil {
			return err
		}
		done = append(done, p)
	}
	return json.NewEncoder(os.Stdout).Encode(done)
}

func cpuTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("read resource usage: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
