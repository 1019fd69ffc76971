package plan

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the outputs in testdata anew; commit them only if you understand what changed")

// A scenario is prose with commands in it, each at the beginning of a line behind "> ". The indented lines behind a command
// are what comes of it, and are held against what comes of it now.
func TestScenarios(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, got, string(want))
		})
	}
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			t.Fatalf("line %d differs; got\n%s\nwant\n%s\n(-update writes it anew)", i+1, strings.Join(a[min(i, len(a)):], "\n"), strings.Join(b[min(i, len(b)):], "\n"))
		}
	}
}

// play runs the commands of a scenario, and returns it with their outputs.
func play(t *testing.T, text string) string {
	s := scenario{newWorld(t, 0)}
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "    ") {
			continue // an output
		}
		out.WriteString(line)
		if command, ok := strings.CutPrefix(line, "> "); ok {
			for _, l := range s.do(strings.Fields(command)) {
				out.WriteString("    " + strings.TrimRight(l, " ") + "\n")
			}
		}
	}
	return out.String()
}

type scenario struct{ *world }

// do runs one command and returns what it says.
func (s scenario) do(words []string) []string {
	switch rest := words[1:]; words[0] {
	case "topics": // name=MB/s/partitions
		for _, w := range rest {
			name, numbers, _ := strings.Cut(w, "=")
			rate, partitions, _ := strings.Cut(numbers, "/")
			s.setLoad(name, rate)
			s.in.Topics[name] = int(s.number(partitions))
		}
	case "load": // name=MB/s
		for _, w := range rest {
			name, rate, _ := strings.Cut(w, "=")
			s.setLoad(name, rate)
		}
	case "join":
		s.next++
		s.in.Members = append(s.in.Members, Member{Name: fmt.Sprintf("%s#%d", rest[0], s.next), Instance: rest[0], Zone: rest[1], Capacity: 1, Able: true})
	case "die":
		s.die(s.alive(rest[0]).Name)
	case "drain", "undrain":
		s.alive(rest[0]).Draining = words[0] == "drain"
	case "pin":
		s.in.Pins[rest[0]] = rest[1]
	case "unpin":
		delete(s.in.Pins, rest[0])
	case "doubt": // nothing of what they have was acknowledged lately
		for _, instance := range rest {
			s.alive(instance).Able = false
		}
	case "stop": // nor was in a minute
		for _, instance := range rest {
			m := s.alive(instance)
			m.Able, m.Stuck = false, s.ownedBy(m.Name)
		}
	case "go":
		for _, instance := range rest {
			m := s.alive(instance)
			m.Able, m.Stuck = true, nil
		}
	case "wait":
		d, err := time.ParseDuration(rest[0])
		if err != nil {
			s.t.Fatal(err)
		}
		s.in.Now = s.in.Now.Add(d)
	case "round":
		return s.oneRound()
	case "rest":
		return s.untilRest()
	case "show":
		return s.show()
	default:
		s.t.Fatalf("unknown command %q", words)
	}
	return nil
}

func (s scenario) number(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// setLoad says what a topic costs, in the parts that it has.
func (s scenario) setLoad(topic, rate string) {
	of := 1
	for u := range s.in.Current.Seats {
		if u.Topic == topic {
			of = u.Of
		}
	}
	maps.DeleteFunc(s.in.Load, func(u Unit, _ float64) bool { return u.Topic == topic })
	for part := range of {
		s.in.Load[Unit{topic, part, of}] = s.number(rate) * 1e6 / float64(of)
	}
}

func (s scenario) alive(instance string) *Member {
	for i := range s.in.Members {
		if s.in.Members[i].Instance == instance {
			return &s.in.Members[i]
		}
	}
	s.t.Fatalf("no member %s", instance)
	return nil
}

// oneRound makes a round, and says what changes.
func (s scenario) oneRound() []string {
	in, before := s.in, s.in.Current
	s.round()
	in.Now = s.in.Now
	var lines []string
	for _, c := range Changes(in, s.in.Current) {
		if c.From == "" {
			c.From = "nobody"
		}
		lines = append(lines, fmt.Sprintf("%-14s %s -> %s  (%s)", c.Unit, c.From, c.To, c.Reason))
	}
	if len(lines) == 0 {
		if !maps.Equal(before.Seats, s.in.Current.Seats) {
			return []string{"only standbys change"}
		}
		return []string{"nothing moves"}
	}
	return lines
}

// untilRest makes rounds until nothing moved for a minute, and says what each changes.
func (s scenario) untilRest() []string {
	var lines []string
	for i, quiet := 1, 0; quiet < 6; i++ {
		before := s.in.Current
		round := s.oneRound()
		if quiet++; maps.Equal(before.Seats, s.in.Current.Seats) {
			continue
		}
		quiet = 0
		lines = append(lines, fmt.Sprintf("round %d", i))
		for _, l := range round {
			lines = append(lines, "  "+l)
		}
	}
	return append(lines, "then nothing moves")
}

// show says what each member has, and who would take it.
func (s scenario) show() []string {
	loads, _ := s.loads()
	known := ratesOf(s.in.Load)
	var lines []string
	for _, m := range s.in.Members {
		var units []string
		standbys := map[string]float64{}
		for _, u := range slices.SortedFunc(maps.Keys(s.in.Current.Seats), Unit.Compare) {
			if seat := s.in.Current.Seats[u]; seat.Owner == m.Name {
				units = append(units, u.String())
				standbys[seat.Standby] += known.of(u)
			}
		}
		lines = append(lines, fmt.Sprintf("%s in %s  %5.1f MB/s  %s", m.Name, m.Zone, loads[m.Name]/1e6, strings.Join(units, " ")))
		var takers []string
		for _, name := range slices.Sorted(maps.Keys(standbys)) {
			if name != "" {
				takers = append(takers, fmt.Sprintf("%.1f to %s", standbys[name]/1e6, name))
			}
		}
		if len(takers) > 0 {
			lines = append(lines, "    when it dies: "+strings.Join(takers, ", "))
		}
	}
	return lines
}
