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
	Cuts     list[cutForm]     `json:"cuts,omitempty"`
	Unrest   int64             `json:"unrest,omitempty"`   // Unix seconds; 0: never
	Balanced int64             `json:"balanced,omitempty"` // Unix seconds; 0: never
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

type cutForm struct {
	Topic int   `json:"topic"` // index in Topics
	Since int64 `json:"since"` // Unix seconds
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
	f := planForm{format: format{formatNumber}, Members: membersOf(p), Unrest: unix(p.Unrest), Balanced: unix(p.Balanced)}
	index := map[string]int{"": -1}
	for i, m := range f.Members {
		index[m] = i
	}
	topics, err := topicsOf(p, index)
	if err != nil {
		return planForm{}, err
	}
	f.Topics = topics
	for _, m := range slices.Sorted(maps.Keys(p.Arrivals)) {
		f.Arrivals = append(f.Arrivals, arrivalForm{index[m], p.Arrivals[m].Instance, p.Arrivals[m].At.Unix()})
	}
	for _, s := range p.Shuns {
		form := shunForm{Member: index[s.Member], Until: s.Until.Unix()}
		if s.Unit != (plan.Unit{}) {
			form.Unit = UnitName(s.Unit)
		}
		f.Shuns = append(f.Shuns, form)
	}
	for i, t := range topics {
		if since, ok := p.Cuts[t.Topic]; ok {
			f.Cuts = append(f.Cuts, cutForm{i, since.Unix()})
		}
	}
	if len(f.Cuts) != len(p.Cuts) {
		return planForm{}, errors.New("a topic is to be cut that has no seat")
	}
	return f, nil
}

// topicsOf lists the seats by topic, each with all of its parts.
func topicsOf(p plan.Plan, index map[string]int) (list[topicForm], error) {
	topics := list[topicForm]{}
	of := 0
	for _, u := range slices.SortedFunc(maps.Keys(p.Seats), plan.Unit.Compare) {
		last := len(topics) - 1
		if last < 0 || topics[last].Topic != u.Topic {
			topics = append(topics, topicForm{Topic: u.Topic, Partitions: p.Partitions[u.Topic]})
			of = u.Of
			last++
		}
		t := &topics[last]
		if !u.Valid() || u.Of != of || u.Part != len(t.Owners) || !has(p, plan.Unit{Topic: u.Topic, Part: u.Of - 1, Of: u.Of}) {
			return nil, fmt.Errorf("topic %.300q: its parts are not whole at %s", u.Topic, u)
		}
		t.Owners = append(t.Owners, index[p.Seats[u].Owner])
		t.Standbys = append(t.Standbys, index[p.Seats[u].Standby])
	}
	if len(topics) != len(p.Partitions) {
		return nil, fmt.Errorf("%d topics have seats, %d have partitions", len(topics), len(p.Partitions))
	}
	return topics, nil
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
	return append(list[string]{}, slices.Sorted(maps.Keys(names))...)
}

func (f planForm) plan() (plan.Plan, error) {
	p := plan.Plan{Seats: map[plan.Unit]plan.Seat{}, Partitions: map[string]int{}, Arrivals: map[string]plan.Arrival{}, Cuts: map[string]time.Time{}}
	if f.Members == nil || f.Topics == nil {
		return plan.Plan{}, errors.New("members or topics are missing") // a plan of nothing makes everybody drop everything
	}
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
	var err1, err2 error
	p.Unrest, err1 = whenever(f.Unrest)
	p.Balanced, err2 = whenever(f.Balanced)
	return p, errors.Join(f.arrivals(&p), f.shuns(&p), f.cuts(&p), err1, err2)
}

func (f planForm) arrivals(p *plan.Plan) error {
	for _, a := range f.Arrivals {
		m, known := f.member(a.Member)
		at, err := when(a.At)
		if err = errors.Join(err, checkInstance(a.Instance)); err != nil {
			return fmt.Errorf("arrival: %w", err)
		}
		if _, twice := p.Arrivals[m]; !known || m == "" || twice {
			return fmt.Errorf("arrival: member %d of %d, or twice", a.Member, len(f.Members))
		}
		p.Arrivals[m] = plan.Arrival{Instance: a.Instance, At: at}
	}
	return nil
}

func (f planForm) shuns(p *plan.Plan) error {
	for i, s := range f.Shuns {
		shun := plan.Shun{}
		var known bool
		var err error
		if shun.Member, known = f.member(s.Member); !known || shun.Member == "" {
			return fmt.Errorf("shun: member %d of %d", s.Member, len(f.Members))
		}
		if s.Unit != "" {
			if shun.Unit, err = ParseUnit(s.Unit); err != nil {
				return fmt.Errorf("shun: %w", err)
			}
		}
		if shun.Until, err = when(s.Until); err != nil {
			return fmt.Errorf("shun: %w", err)
		}
		if i > 0 && p.Shuns[i-1].Compare(shun) >= 0 {
			return errors.New("shuns are not in order")
		}
		p.Shuns = append(p.Shuns, shun)
	}
	return nil
}

func (f planForm) cuts(p *plan.Plan) error {
	for _, c := range f.Cuts {
		if c.Topic < 0 || c.Topic >= len(f.Topics) {
			return fmt.Errorf("cut: topic %d of %d", c.Topic, len(f.Topics))
		}
		since, err := when(c.Since)
		if err != nil {
			return fmt.Errorf("cut: %w", err)
		}
		p.Cuts[f.Topics[c.Topic].Topic] = since
	}
	return nil
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

const maxUnix = 1 << 40 // the year 36,000

func when(unix int64) (time.Time, error) {
	if unix < 0 || unix > maxUnix {
		return time.Time{}, fmt.Errorf("time %d is none", unix)
	}
	return time.Unix(unix, 0).UTC(), nil
}

// unix and whenever take 0 for the zero time.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func whenever(unix int64) (time.Time, error) {
	if unix == 0 {
		return time.Time{}, nil
	}
	return when(unix)
}
