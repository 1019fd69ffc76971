package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tributary/pkg/api"
	"tributary/pkg/check"
)

// topSort is what the topics are sorted by.
type topSort int

const (
	byLoss topSort = iota
	byBehind
	byState
	byName
	sorts // how many there are
)

func (s topSort) String() string { return [...]string{"loss", "behind", "state", "name"}[s] }

// topScreen is what top shows, and what was typed. It is not safe for concurrent use.
type topScreen struct {
	sort          topSort
	link          string // "" for all
	events        bool
	color         bool
	width, height int

	last   topLook   // that was answered
	seen   time.Time // when, by our clock; zero: never
	err    error     // of the newest look
	escape int       // bytes of a key such as an arrow still to be passed over
}

// take takes in a look.
func (s *topScreen) take(l topLook) {
	s.err = l.err
	if l.err == nil {
		s.last, s.seen = l, time.Now()
	}
}

// key takes in a key, and says whether it ends.
func (s *topScreen) key(key byte) (end bool) {
	if s.escape > 0 {
		s.escape--
		return false
	}
	switch key {
	case 'q', 'Q', 3, 4: // with Ctrl-C and Ctrl-D
		return true
	case 0x1b:
		s.escape = 2
	case 's':
		s.sort = (s.sort + 1) % sorts
	case 'e':
		s.events = !s.events
	case 'l':
		s.nextLink()
	}
	return false
}

// nextLink shows the next link alone, and behind the last all again.
func (s *topScreen) nextLink() {
	names := []string{""}
	if s.last.report != nil {
		for _, l := range s.last.report.Links {
			names = append(names, l.Name)
		}
	}
	s.link = names[(slices.Index(names, s.link)+1)%len(names)]
}

// frame is the screen as it is written to the terminal.
func (s *topScreen) frame(now time.Time) string {
	var out strings.Builder
	out.WriteString("\x1b[H")
	for i, line := range s.lines(now) {
		if i > 0 {
			out.WriteString("\r\n")
		}
		out.WriteString(line + "\x1b[K")
	}
	out.WriteString("\x1b[J")
	return out.String()
}

// lines are as many as fit, each as wide as fits. The last names the keys.
func (s *topScreen) lines(now time.Time) []string {
	all := s.heading(now)
	states := make([]string, len(all)) // by line, to colour it
	add := func(state string, text string) { all, states = append(all, text), append(states, state) }
	if s.last.report != nil {
		for _, row := range s.topics() {
			add(row[0], row[1])
		}
	}
	room := max(1, s.height-1)
	if s.events {
		shown := s.eventLines(room / 3)
		if rest := room - len(shown) - 1; len(all) > rest {
			all, states = all[:max(1, rest)], states[:max(1, rest)]
		}
		add("", "")
		for _, line := range shown {
			add("", line)
		}
	}
	if more := len(all) - room; more > 0 {
		all, states = all[:room], states[:room]
		all[room-1], states[room-1] = fmt.Sprintf("and %d lines more", more+1), ""
	}
	add("", "s sort  l link  e events  q quit")
	for i := range all {
		all[i] = cut(all[i], s.width)
		if s.color && states[i] != "" {
			all[i] = paint(all[i], states[i])
		}
	}
	return all
}

// heading says who is shown, how old that is, and how the links stand.
func (s *topScreen) heading(now time.Time) []string {
	if s.last.report == nil {
		if s.err != nil {
			return []string{clean(s.err.Error())}
		}
		return []string{"asking the mirror"}
	}
	r := s.last.report
	lines := []string{fmt.Sprintf("%s  zone %s  version %s  %s  sort: %s  link: %s", known(r.Instance), known(r.Zone), known(r.Version), now.Format("15:04:05"), s.sort, cmp.Or(clean(s.link), "all"))}
	if s.err != nil {
		lines = append(lines, fmt.Sprintf("NOT ANSWERING, shown is what was %s ago: %s", check.Short(now.Sub(s.seen)), clean(s.err.Error())))
	}
	for _, l := range s.chosen() {
		text := fmt.Sprintf("%s  %s -> %s  %s", known(l.Name), known(l.From), known(l.To), known(l.State))
		if l.PausedUntil != nil {
			text += "  paused until " + l.PausedUntil.Local().Format("15:04:05")
		}
		if l.Problem != "" {
			text += "  " + clean(l.Problem)
		}
		lines = append(lines, text)
	}
	return append(lines, "")
}

func (s *topScreen) chosen() []api.Link {
	return slices.DeleteFunc(slices.Clone(s.last.report.Links), func(l api.Link) bool { return s.link != "" && l.Name != s.link })
}

// topics are the lines of the table, each behind its state; the first is the heading.
func (s *topScreen) topics() [][2]string {
	list := lags(&api.Status{Links: s.chosen()}, s.last.now)
	slices.SortStableFunc(list, func(a, b topicLag) int {
		switch s.sort {
		case byBehind:
			return -compareKnown(a.LagSeconds, b.LagSeconds)
		case byState:
			return cmp.Compare(urgency(a.State), urgency(b.State))
		case byName:
			return cmp.Or(cmp.Compare(a.Link, b.Link), cmp.Compare(a.Topic, b.Topic))
		}
		return 0 // as they come
	})
	rows := table{{"LINK", "TOPIC", "STATE", "BEHIND", "RECORDS", "SPEED", "CAUGHT UP IN", "LOSS IN"}}
	states := []string{""}
	for _, g := range list {
		rows = append(rows, []string{known(g.Link), known(g.Topic), known(g.State), seconds(g.LagSeconds), count(g.LagRecords), speed(g.Speed), g.eta(), g.loss()})
		states = append(states, g.State)
	}
	var lines [][2]string
	for text := range rows.lines() {
		lines = append(lines, [2]string{states[len(lines)], text})
	}
	return lines
}

func (s *topScreen) eventLines(most int) []string {
	list := s.last.events
	if len(list) > most {
		list = list[len(list)-most:]
	}
	lines := make([]string, len(list))
	for i, e := range list {
		lines[i] = e.line()
	}
	return lines
}

// cut returns as much of a line as fits.
func cut(line string, width int) string {
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width])
}
