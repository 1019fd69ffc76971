package znode

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tributary/pkg/ownership/plan"
)

// planForm is the form of a plan. Members stand for themselves by their index in Members, as a seat would else be longer
// than its topic; -1 is nobody. That every partition has one seat follows from the form: a topic has as many owners as parts.
type planForm struct {
	format
	Members  list[string]      `json:"members"`
	Topics   list[topicForm]   `json:"topics"`
	Arrivals list[arrivalForm] `json:"arrivals,omitempty"`
	Shuns    list[shunForm]    `json:"shuns,omitempty"`
}

type topicForm struct {
	Topic      string `json:"topic"`
	Partitions int    `json:"partitions"`
	Owners     []int  `json:"owners"`
	Standbys   []int  `json:"standbys"`
}

type arrivalForm struct {
	Member   int    `json:"member"`
	Instance string `json:"instance"`
	At       int64  `json:"at"` // Unix seconds
}

type shunForm struct {
	Member int    `json:"member"`
	Unit   string `json:"unit,omitempty"` // empty: every unit
	Until  int64  `json:"until"`          // Unix seconds
}

// EncodePlan returns the content of the plan's node. The members' names are incarnations.
func EncodePlan(p plan.Plan) ([]byte, error) {
	f, err := formOf(p)
	if err == nil {
		_, err = f.plan()
	}
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	return encode("plan", f)
}

// DecodePlan reads the content of the plan's node. No content at all is no plan, and the zero value.
func DecodePlan(data []byte) (plan.Plan, error) {
	if len(data) == 0 {
		return plan.Plan{}, nil
	}
	var f planForm
	if err := decode(data, &f); err != nil {
		return plan.Plan{}, fmt.Errorf("decode plan: %w", err)
	}
	p, err := f.plan()
	if err != nil {
		return plan.Plan{}, fmt.Errorf("decode plan: %w", err)
	}
	return p, nil
}

func formOf(p plan.Plan) (planForm, error) {
	f := planForm{format: format{formatNumber}, Members: membersOf(p)}
	index := map[string]int{"": -1}
	for i, m := range f.Members {
		index[m] = i
	}
	topics := map[string]*topicForm{}
	for _, u := range slices.SortedFunc(maps.Keys(p.Seats), plan.Unit.Compare) {
		t := topics[u.Topic]
		if t == nil {
			t = &topicForm{Topic: u.Topic, Partitions: p.Partitions[u.Topic], Owners: make([]int, 0, 1), Standbys: make([]int, 0, 1)}
			topics[u.Topic] = t
		}
		if !u.Valid() || u.Part != len(t.Owners) || u.Of != 1 && !has(p, plan.Unit{Topic: u.Topic, Part: u.Of - 1, Of: u.Of}) {
			return planForm{}, fmt.Errorf("topic %.300q: its parts are not whole at %s", u.Topic, u)
		}
		t.Owners = append(t.Owners, index[p.Seats[u].Owner])
		t.Standbys = append(t.Standbys, index[p.Seats[u].Standby])
	}
	if len(topics) != len(p.Partitions) {
		return planForm{}, fmt.Errorf("%d topics have seats, %d have partitions", len(topics), len(p.Partitions))
	}
	for _, t := range slices.Sorted(maps.Keys(topics)) {
		f.Topics = append(f.Topics, *topics[t])
	}
	for _, m := range slices.Sorted(maps.Keys(p.Arrivals)) {
		f.Arrivals = append(f.Arrivals, arrivalForm{index[m], p.Arrivals[m].Instance, p.Arrivals[m].At.Unix()})
	}
	for _, s := range p.Shuns {
		unit := ""
		if s.Unit != (plan.Unit{}) {
			unit = UnitName(s.Unit)
		}
		f.Shuns = append(f.Shuns, shunForm{index[s.Member], unit, s.Until.Unix()})
	}
	return f, nil
}

func has(p plan.Plan, u plan.Unit) bool { _, ok := p.Seats[u]; return ok }

// membersOf lists every member that a plan speaks of.
func membersOf(p plan.Plan) list[string] {
	names := map[string]bool{}
	for _, s := range p.Seats {
		names[s.Owner], names[s.Standby] = true, true
	}
	for m := range p.Arrivals {
		names[m] = true
	}
	for _, s := range p.Shuns {
		names[s.Member] = true
	}
	delete(names, "")
	return slices.Sorted(maps.Keys(names))
}

func (f planForm) plan() (plan.Plan, error) {
	p := plan.Plan{Seats: map[plan.Unit]plan.Seat{}, Partitions: map[string]int{}, Arrivals: map[string]plan.Arrival{}}
	for i, m := range f.Members {
		if _, err := ParseIncarnation(m); err != nil {
			return plan.Plan{}, err
		}
		if i > 0 && f.Members[i-1] >= m {
			return plan.Plan{}, errors.New("members are not in order")
		}
	}
	for _, t := range f.Topics {
		if err := f.seat(p, t); err != nil {
			return plan.Plan{}, err
		}
	}
	for _, a := range f.Arrivals {
		at, err := f.when(a.Member, a.At)
		if err == nil {
			err = checkInstance(a.Instance)
		}
		if err != nil {
			return plan.Plan{}, fmt.Errorf("arrival: %w", err)
		}
		if _, ok := p.Arrivals[f.Members[a.Member]]; ok {
			return plan.Plan{}, fmt.Errorf("member %s arrived twice", f.Members[a.Member])
		}
		p.Arrivals[f.Members[a.Member]] = plan.Arrival{Instance: a.Instance, At: at}
	}
	for _, s := range f.Shuns {
		until, err := f.when(s.Member, s.Until)
		var u plan.Unit
		if err == nil && s.Unit != "" {
			u, err = ParseUnit(s.Unit)
		}
		if err != nil {
			return plan.Plan{}, fmt.Errorf("shun: %w", err)
		}
		p.Shuns = append(p.Shuns, plan.Shun{Member: f.Members[s.Member], Unit: u, Until: until})
	}
	return p, nil
}

// seat takes one topic.
func (f planForm) seat(p plan.Plan, t topicForm) error {
	if err := checkTopic(t.Topic); err != nil {
		return err
	}
	if _, ok := p.Partitions[t.Topic]; ok {
		return fmt.Errorf("topic %s is there twice", t.Topic)
	}
	if err := checkPartitions(t.Topic, t.Partitions); err != nil {
		return err
	}
	p.Partitions[t.Topic] = t.Partitions
	of := len(t.Owners)
	if of > t.Partitions || len(t.Standbys) != of || !(plan.Unit{Of: of}).Valid() {
		return fmt.Errorf("topic %s with %d partitions has %d owners, %d standbys", t.Topic, t.Partitions, of, len(t.Standbys))
	}
	for i := range of {
		owner, ok1 := f.member(t.Owners[i])
		standby, ok2 := f.member(t.Standbys[i])
		if !ok1 || !ok2 || owner == standby && owner != "" {
			return fmt.Errorf("topic %s: owner %d, standby %d of %d members", t.Topic, t.Owners[i], t.Standbys[i], len(f.Members))
		}
		p.Seats[plan.Unit{Topic: t.Topic, Part: i, Of: of}] = plan.Seat{Owner: owner, Standby: standby}
	}
	return nil
}

// member returns the name at an index, -1 being nobody.
func (f planForm) member(i int) (string, bool) {
	if i < 0 || i >= len(f.Members) {
		return "", i == -1
	}
	return f.Members[i], true
}

const maxUnix = 1 << 40 // some ten thousand years

func (f planForm) when(member int, unix int64) (time.Time, error) {
	if member < 0 || member >= len(f.Members) || unix < 0 || unix > maxUnix {
		return time.Time{}, fmt.Errorf("member %d of %d, time %d", member, len(f.Members), unix)
	}
	return time.Unix(unix, 0).UTC(), nil
}
