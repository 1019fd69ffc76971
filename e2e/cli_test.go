package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// answer is what a command printed, and its exit code.
type answer struct {
	stdout, stderr string
	code           int
}

// command runs a command of the program.
func command(ctx context.Context, args ...string) (answer, error) {
	cmd := exec.CommandContext(ctx, stage.binary, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		err = nil
	}
	if err != nil {
		return answer{}, fmt.Errorf("run mirror %s: %w", strings.Join(args, " "), err)
	}
	return answer{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}, nil
}

// command runs a command that asks this host's mirror.
func (h *host) command(ctx context.Context, args ...string) (answer, error) {
	return command(ctx, append(args, "--state-dir", h.settings.StateDir)...)
}

// eventReport is one event, as far as tests look at it.
type eventReport struct {
	Kind      string       `json:"kind"`
	Link      string       `json:"link"`
	Topic     string       `json:"topic"`
	Partition *int32       `json:"partition"`
	Cause     string       `json:"cause"`
	Lost      *lostStatus  `json:"lost"`
	Surplus   *offsetRange `json:"surplus"`
	ResumesAt *int64       `json:"resumes_at"`
}

// events returns what the journal has, oldest first.
func (h *host) events(ctx context.Context) ([]eventReport, error) {
	got, err := h.command(ctx, "events", "-n", "1000", "-o", "json")
	if err == nil && got.code != 0 {
		err = fmt.Errorf("mirror events: exit code %d: %s", got.code, got.stderr)
	}
	if err != nil {
		return nil, err
	}
	var events []eventReport
	for line := range strings.Lines(got.stdout) {
		var e eventReport
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("read event %s: %w", line, err)
		}
		events = append(events, e)
	}
	return events, nil
}

// metrics returns the present value of every series, by its name with its labels as they are printed.
func (h *host) metrics(ctx context.Context) (map[string]float64, error) {
	address, err := h.address()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("ask for the metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for the metrics: %w", err)
	}
	defer response.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || lines.Text()[0] == '#' {
			continue
		}
		if values[lines.Text()[:at]], err = strconv.ParseFloat(lines.Text()[at+1:], 64); err != nil {
			return nil, fmt.Errorf("read the metrics: %w", err)
		}
	}
	return values, lines.Err()
}
