package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// statusReport is what /api/v1/status answers, as far as tests look at it. Nil is unknown.
type statusReport struct {
	Instance string       `json:"instance"`
	Links    []linkStatus `json:"links"`
}

type linkStatus struct {
	Name      string        `json:"name"`
	State     string        `json:"state"`
	Guarantee string        `json:"guarantee"`
	Problem   string        `json:"problem"`
	Topics    []topicStatus `json:"topics"`
}

type topicStatus struct {
	Topic      string `json:"topic"`
	State      string `json:"state"`
	LagRecords *int64 `json:"lag_records"`
	Problem    string `json:"problem"` // why partitions are missing
	Warning    string `json:"warning"`

	ReplicatedThrough *time.Time `json:"replicated_through"`
	TombstoneDeadline *time.Time `json:"tombstone_deadline"`

	LossDeadline *time.Time           `json:"loss_deadline"`
	LossCause    string               `json:"loss_cause"`
	Deadlines    map[string]time.Time `json:"deadlines"`

	Partitions []partitionStatus `json:"partitions"`
}

type partitionStatus struct {
	Partition       int32  `json:"partition"`
	State           string `json:"state"`
	Reason          string `json:"reason"`
	Regime          string `json:"regime"`
	NextOffset      *int64 `json:"next_offset"`
	CommittedOffset *int64 `json:"committed_offset"`
	SourceEndOffset *int64 `json:"source_end_offset"`
	HeldBack        *int64 `json:"held_back"`
	Error           string `json:"error"`
	NextStep        string `json:"next_step"`

	Lost    *lostStatus  `json:"lost"`
	Surplus *offsetRange `json:"surplus"`
}

// lostStatus is what a halted partition cannot deliver.
type lostStatus struct {
	From    *int64     `json:"from"`
	To      *int64     `json:"to"`
	Records *int64     `json:"records"`
	Since   *time.Time `json:"since"`
	Until   *time.Time `json:"until"`
}

// offsetRange is offsets from From up to but without To.
type offsetRange struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// status asks the running mirror.
func (h *host) status(ctx context.Context) (report statusReport, err error) {
	return report, h.ask(ctx, "/api/v1/status", func(body io.Reader) error { return json.NewDecoder(body).Decode(&report) })
}

// ask gets a path of the running mirror and lets read see the answer.
func (h *host) ask(ctx context.Context, path string, read func(io.Reader) error) error {
	address, err := h.address()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", path, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", path, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask for %s: %s", path, response.Status)
	}
	if err := read(response.Body); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// topic asks for the status of one topic of the only link.
func (h *host) topic(ctx context.Context, name string) (topicStatus, error) {
	report, err := h.status(ctx)
	if err != nil {
		return topicStatus{}, err
	}
	for _, link := range report.Links {
		for _, topic := range link.Topics {
			if topic.Topic == name {
				return topic, nil
			}
		}
	}
	return topicStatus{}, fmt.Errorf("the status does not know topic %s: %+v", name, report)
}

// expectState returns an error unless the topic and all its partitions are in a state.
func (h *host) expectState(ctx context.Context, topic, want string) error {
	got, err := h.topic(ctx, topic)
	if err != nil {
		return err
	}
	if got.State != want {
		return fmt.Errorf("state of %s: got %s, want %s: %+v", topic, got.State, want, got.Partitions)
	}
	for _, p := range got.Partitions {
		if p.State != want {
			return fmt.Errorf("state of %s/%d: got %s, want %s (%s %s)", topic, p.Partition, p.State, want, p.Reason, p.Error)
		}
	}
	return nil
}
