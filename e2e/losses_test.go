package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"tributary/e2e/kafka"
)

// What each partition of a topic holds before its fault, all copied, and how much is written later, in records.
const (
	oldRecords   = 200
	goneRecords  = 70
	cutRecords   = 60
	freshShorter = 50  // a new log that ends before the old one did
	freshLonger  = 300 // a new log that has passed the old end when somebody looks
	batchRecords = 10
)

// loss is a way to lose records: a row of the table. What it writes and expects it notes in the trial.
type loss struct {
	name    string
	cause   string
	only    mode              // "" is both
	configs map[string]string // of the source topic
	oldAge  time.Duration     // of the records that are copied before
	choice  []string          // of mirror skip; nil is --i-accept-loss alone

	// The steps of the fault, in this order; those that a row has not are nil. Brokers are up in before and after, and
	// what the group takes down is down in between.
	before func(ctx context.Context, tr *lossTrial) error
	down   func(tr *lossTrial) error
	after  func(ctx context.Context, tr *lossTrial) error
}

// mode says what the mirror does when the fault comes.
type mode string

const (
	live    mode = "live"
	stopped mode = "stopped"
)

// lossGroup is the losses that share clusters, a live mirror and a stopped one, and an outage.
type lossGroup struct {
	name   string
	losses []loss
	from   func(t *testing.T) *kafka.Cluster
	to     func(t *testing.T) *kafka.Cluster
	frozen bool // the live mirror is frozen during the fault, so that it falls behind
	// partway comes when all but cutRecords of the old records are copied; nil: nothing.
	partway func(ctx context.Context, s *lossScene) error
	// elsewhere is where the siblings are, of whose clusters the fault leaves no partition alone; nil: the same ones.
	elsewhere func(t *testing.T) (from, to *kafka.Cluster)
	// outage takes down what the rows' down step needs down, calls it, and returns when all is up again; nil: nothing.
	outage func(ctx context.Context, s *lossScene) error
}

// Whatever takes records away, live or while the mirror is stopped, halts that partition within 30 s with the exact
// range of what is lost, in the status, in the metrics and in the events alike, while its siblings keep their rate; when
// the operator has chosen how to go on, every record that is left arrives, once, in order and from the first on, and
// mirror verify finds the same numbers.
func TestLosses(t *testing.T) {
	t.Parallel() // its clusters are its own, and it is waiting for the most part
	requireLosses(t, lossGroups())
}

// The same, where a follower that lacks records becomes the leader of the source.
func TestLossesByElection(t *testing.T) {
	requireLosses(t, []lossGroup{{
		name: "election", from: venueOf(&stage.region), to: venueOf(&stage.lossHome), partway: loseReplica, outage: electUnclean, losses: []loss{
			{name: "truncated", cause: "truncated", after: writeFresh(freshLonger)},
		}}})
}

func requireLosses(t *testing.T, groups []lossGroup) {
	t.Helper()
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) {
			s := newLossScene(t, group)
			s.fault(t)
			s.requireHalts(t)
			for _, tr := range s.trials {
				t.Run(tr.name+"/"+string(tr.mode), tr.requireNamed)
			}
			s.resolve(t)
			for _, tr := range s.trials {
				t.Run(tr.name+"/"+string(tr.mode)+"/records", tr.requireArrived)
			}
			s.requireSiblings(t)
		})
	}
}

// venueOf is how a group gets the cluster of a venue.
func venueOf(v *venue) func(*testing.T) *kafka.Cluster { return v.get }

func lossGroups() []lossGroup {
	edge, home := venueOf(&stage.lossEdge), venueOf(&stage.lossHome)
	private := func(t *testing.T) *kafka.Cluster { return kafka.New(t, kafka.Options{}) }
	elsewhere := func(t *testing.T) (from, to *kafka.Cluster) { return edge(t), home(t) }
	return []lossGroup{
		{name: "behind", from: edge, to: home, frozen: true, outage: restartSource, losses: []loss{
			{name: "retention", cause: "retention", configs: map[string]string{"segment.ms": "600000"}, oldAge: 3 * time.Hour, before: expireRecords},
			{name: "delete-records", cause: "retention", before: deleteRecords},
			{name: "delete-records-unsaved", cause: "retention", only: stopped, before: deleteUnsaved},
			{name: "bad-record", cause: "bad_record", before: writeGone, down: flipByte, after: writeFresh(freshShorter)},
		}},
		{name: "topics", from: edge, to: home, losses: []loss{
			{name: "source-shorter", cause: "source_recreated", after: recreateSource(freshShorter)},
			{name: "source-longer", cause: "source_recreated", after: recreateSource(freshLonger)},
			{name: "destination-shorter", cause: "destination_recreated", after: recreateDestination(0)},
			{name: "destination-longer", cause: "destination_recreated", after: recreateDestination(freshLonger), choice: []string{"--from", "beginning"}},
			{name: "position-foreign", cause: "position_lost", only: stopped, after: spoilPosition, choice: []string{"--to", fmt.Sprint(oldRecords)}},
			{name: "position-gone", cause: "position_lost", only: stopped, after: losePosition, choice: []string{"--to", fmt.Sprint(oldRecords)}},
		}},
		{name: "power-cut", from: edge, to: home, outage: cutPower, losses: []loss{
			{name: "truncated", cause: "truncated", down: cutSource, after: writeFresh(freshLonger)},
			{name: "truncated-shorter", cause: "truncated", down: cutSource, after: writeFresh(freshShorter)},
			{name: "position-too", cause: "truncated", only: stopped, down: cutLess, after: takeBack},
		}},
		{name: "destination-disk", from: edge, to: home, outage: restartDestination, losses: []loss{
			{name: "wiped", cause: "destination_truncated", down: wipeDestination, after: writeFresh(freshShorter)},
			{name: "cut", cause: "destination_truncated", down: cutDestination, after: writeFresh(freshShorter), choice: []string{"--from", "beginning"}},
		}},
		{name: "source-cluster", from: private, to: home, elsewhere: elsewhere, outage: reimageSource, losses: []loss{
			{name: "longer", cause: "wrong_cluster", after: writeFresh(freshLonger)},
			{name: "shorter", cause: "wrong_cluster", after: writeFresh(freshShorter)},
		}},
		{name: "destination-cluster", from: edge, to: private, elsewhere: elsewhere, outage: reimageDestination, losses: []loss{
			{name: "empty", cause: "wrong_cluster", after: writeFresh(freshShorter)},
			{name: "longer", cause: "wrong_cluster", after: fillDestination(freshLonger), choice: []string{"--from", "beginning"}},
		}},
	}
}
