package debian

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tributary/e2e/cache"
)

// stage puts an apt-get and a dpkg-deb onto PATH, and nothing else. The one notes its calls and downloads empty packages, or fails; the
// other finds one program, named as the package, in each.
func stage(t *testing.T, fail string) (calls string) {
	t.Helper()
	bin := t.TempDir()
	calls = filepath.Join(bin, "calls")
	scripts := map[string]string{
		"apt-get": `#!/bin/sh
found=
for arg; do
	test "$arg" != "` + fail + `" || { echo "E: no $arg today" >&2; exit 100; }
	test -z "$found" || { echo "$found $arg" >> ` + calls + `; : > "$arg"_1.0_all.deb; }
	test "$arg" != download || found=$arg
done
`,
		"dpkg-deb": `#!/bin/sh
name=$(/usr/bin/basename "$2" _1.0_all.deb)
/bin/mkdir -p "$3/usr/bin" && : > "$3/usr/bin/$name"
`,
	}
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Setenv(cache.Env, t.TempDir())
	return calls
}

func TestProgramsAreFetchedOnce(t *testing.T) {
	calls := stage(t, "")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			path, err := Program(t.Context(), io.Discard, "prober", "prober")
			if err != nil {
				t.Error(err)
			} else if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := os.ReadFile(calls)
	if want := "download prober\n"; err != nil || string(got) != want {
		t.Errorf("downloads: got %q, %v, want %q", got, err, want)
	}
	if _, err := Program(t.Context(), io.Discard, "other", "prober"); err == nil || !strings.Contains(err.Error(), "prober has no such program") {
		t.Errorf("a program that the package lacks: got %v", err)
	}
}

func TestInstalledProgramsAreTaken(t *testing.T) {
	calls := stage(t, "")
	path, err := Program(t.Context(), io.Discard, "dpkg-deb", "dpkg")
	if want := filepath.Join(filepath.Dir(calls), "dpkg-deb"); err != nil || path != want {
		t.Errorf("got %q, %v, want %q", path, err, want)
	}
	if _, err := os.Stat(calls); err == nil {
		t.Error("something was fetched")
	}
}

func TestSeveralPackagesShareADirectory(t *testing.T) {
	stage(t, "")
	dir, err := Unpack(t.Context(), io.Discard, "one", "two")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		if _, err := os.Stat(filepath.Join(dir, "usr/bin", name)); err != nil {
			t.Error(err)
		}
	}
}

func TestManyPackages(t *testing.T) {
	stage(t, "")
	many := strings.Fields(strings.Repeat("a-rather-long-name ", 20))
	for i := range many {
		many[i] += strings.Repeat("x", i)
	}
	dir, err := Unpack(t.Context(), io.Discard, many...)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Unpack(t.Context(), io.Discard, many...); err != nil || again != dir {
		t.Errorf("got %s, %v, then %s", dir, err, again)
	}
	if other, err := Unpack(t.Context(), io.Discard, many[:19]...); err != nil || other == dir {
		t.Errorf("others are at the same place %s, %v", other, err)
	}
}

// Without a network the error says what was asked for, what apt-get said and what to do; nothing looks complete.
func TestNothingFetched(t *testing.T) {
	for _, verb := range []string{"update", "download"} {
		t.Run(verb, func(t *testing.T) {
			stage(t, verb)
			for range 2 {
				_, err := Program(t.Context(), io.Discard, "prober", "probes")
				if err == nil {
					t.Fatal("got no error")
				}
				for _, want := range []string{"provide prober", "E: no " + verb + " today", "sudo apt-get install probes"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("got %q, want %q in it", err, want)
					}
				}
			}
		})
	}
}
