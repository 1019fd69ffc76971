package kafka

import (
	"net"
	"regexp"
	"slices"
	"testing"

	"tributary/e2e/cache"
)

func TestPomHasEachVersion(t *testing.T) {
	var got []string
	for _, match := range regexp.MustCompile(`<id>(.*)</id>`).FindAllSubmatch(pom, -1) {
		got = append(got, string(match[1]))
	}
	want := []string{string(zooKeeper39)}
	for _, version := range Versions() {
		want = append(want, string(version))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("profiles: got %q, want %q", got, want)
	}
}

func TestParseJavaVersion(t *testing.T) {
	tests := []struct {
		name, out string
		want      int
	}{
		{"17", `openjdk version "17.0.15" 2025-04-15`, 17},
		{"25", `openjdk version "25" 2025-09-16`, 25},
		{"8", `java version "1.8.0_402"`, 8},
		{"after a warning", "Picked up JAVA_TOOL_OPTIONS: -Xint\nopenjdk version \"21.0.2\"", 21},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, err := parseJavaVersion(test.out); err != nil || got != test.want {
				t.Errorf("got %d, %v, want %d", got, err, test.want)
			}
		})
	}
	if _, err := parseJavaVersion("nothing"); err == nil {
		t.Error("output without a version is accepted")
	}
}

func TestLeasedPortsAreFreeAndDistinct(t *testing.T) {
	t.Setenv(cache.Env, t.TempDir())
	seen := map[int]bool{}
	for range 10 {
		lease, err := leasePorts(20)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := lease.release(); err != nil {
				t.Error(err)
			}
		}()
		for range 20 {
			port := lease.next()
			if seen[port] {
				t.Errorf("port %d was leased twice", port)
			}
			seen[port] = true
			listener, err := net.Listen("tcp", loopback(port))
			if err != nil {
				t.Errorf("a leased port is not free: %v", err)
				continue
			}
			_ = listener.Close()
		}
	}
}

func TestLeaseSkipsPortsInUse(t *testing.T) {
	t.Setenv(cache.Env, t.TempDir())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	lease := &portLease{}
	if err := lease.take(t.TempDir(), listener.Addr().(*net.TCPAddr).Port); err != nil {
		t.Fatal(err)
	}
	if len(lease.ports) != 0 {
		t.Errorf("leased: got %v, want none", lease.ports)
	}
}
