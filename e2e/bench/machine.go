package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"tributary/e2e/kafka"
)

// machine is what figures depend on.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Kafka  string `json:"kafka"`
	Load   string `json:"load"` // averages over 1, 5 and 15 minutes, before the first measurement

	LoadAfter string `json:"load_after"` // the last one; it holds the benchmark itself
}

const unknown = "unknown"

func readMachine() machine {
	return machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), Kernel: firstFields("/proc/sys/kernel/osrelease", 1),
		Go: runtime.Version(), Kafka: string(kafka.Kafka43), Load: loadAverage(),
	}
}

// String returns the facts in one line.
func (m machine) String() string {
	return fmt.Sprintf("%d x %s, Linux %s, %s, %s, load average %s", m.Cores, m.CPU, m.Kernel, m.Go, m.Kafka, m.Load)
}

func loadAverage() string { return firstFields("/proc/loadavg", 3) }

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

// firstFields returns the first words of a file of the kernel.
func firstFields(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return unknown
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(n, len(fields))], " ")
}
