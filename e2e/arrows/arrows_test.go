// Package arrows holds the direction of imports: it fails on any import against the arrows of the architecture, and
// when the linter's configuration says something else.
package arrows

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const module = "tributary"

// arrows says for every package of the program which others of this module it may import. A new package is added
// here and in .golangci.yml; what lies below e2e needs no entry. In order from the command down to the leaves.
func arrows() map[string][]string {
	return map[string][]string{
		"cmd/mirror": {"pkg/api", "pkg/app", "pkg/check", "pkg/config", "pkg/doctor"},
		"pkg/app": {"pkg/batch", "pkg/catalog", "pkg/config", "pkg/consume", "pkg/cores", "pkg/deadman", "pkg/eligible", "pkg/heartbeat", "pkg/kafka", "pkg/journal", "pkg/lag", "pkg/mirror",
			"pkg/ownership", "pkg/ownership/coord", "pkg/ownership/peer", "pkg/ownership/pool", "pkg/ownership/zookeeper",
			"pkg/park", "pkg/pause", "pkg/probe", "pkg/produce", "pkg/status", "pkg/systemd", "pkg/verify"},
		"pkg/app/sim":                   {"pkg/catalog", "pkg/consume", "pkg/kafka", "pkg/lag", "pkg/mirror", "pkg/ownership", "pkg/produce"}, // tests only
		"pkg/api":                       {},
		"pkg/check":                     {"pkg/api"},
		"pkg/config":                    {},
		"pkg/doctor":                    {"pkg/api", "pkg/check"},
		"pkg/cores":                     {},
		"pkg/durable":                   {},
		"pkg/pause":                     {"pkg/durable"},
		"pkg/ownership":                 {"pkg/durable", "pkg/mirror", "pkg/mirror/protocol"},
		"pkg/ownership/coord":           {},
		"pkg/ownership/coord/fake":      {"pkg/ownership/coord"},
		"pkg/ownership/coord/coordtest": {"pkg/ownership/coord"},
		"pkg/ownership/zookeeper":       {"pkg/ownership/coord"},
		"pkg/ownership/plan":            {},
		"pkg/ownership/znode":           {"pkg/mirror/protocol", "pkg/ownership/plan"},
		"pkg/ownership/peer":            {},
		"pkg/ownership/pool":            {"pkg/mirror", "pkg/mirror/protocol", "pkg/ownership/coord", "pkg/ownership/plan", "pkg/ownership/znode"},
		"pkg/consume":                   {"pkg/batch", "pkg/catalog", "pkg/kafka", "pkg/mirror", "pkg/mirror/protocol"},
		"pkg/produce":                   {"pkg/batch", "pkg/catalog", "pkg/kafka", "pkg/mirror", "pkg/mirror/protocol"},
		"pkg/journal":                   {"pkg/mirror"},
		"pkg/heartbeat":                 {"pkg/batch", "pkg/durable", "pkg/kafka", "pkg/lag", "pkg/mirror"},
		"pkg/park":                      {"pkg/batch", "pkg/kafka", "pkg/mirror"},
		"pkg/lag":                       {"pkg/durable", "pkg/mirror", "pkg/ownership/pool", "pkg/probe"},
		"pkg/probe":                     {"pkg/durable", "pkg/kafka"},
		"pkg/status":                    {"pkg/api", "pkg/eligible", "pkg/journal", "pkg/lag", "pkg/mirror", "pkg/ownership/pool", "pkg/pause"},
		"pkg/systemd":                   {},
		"pkg/eligible":                  {"pkg/durable", "pkg/lag", "pkg/mirror"},
		"pkg/deadman":                   {"pkg/lag", "pkg/mirror"},
		"pkg/verify":                    {"pkg/kafka"}, // independent of the copy path it checks
		"pkg/catalog":                   {"pkg/kafka", "pkg/mirror"},
		"pkg/mirror":                    {"pkg/batch", "pkg/mirror/protocol"},
		"pkg/mirror/protocol":           {},
		"pkg/mirror/protocol/model":     {"pkg/mirror/protocol"},
		"pkg/kafka":                     {},
		"pkg/batch":                     {},
	}
}

// listed is what the files of one package import.
type listed struct {
	Path        string // within the module
	Imports     []string
	TestImports []string
}

func TestImportsFollowTheArrows(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 2 {
		t.Fatalf("found only %d packages", len(packages))
	}
	for _, p := range packages {
		for _, complaint := range append(complaints(p, arrows()), unused(p, arrows())...) {
			t.Error(complaint)
		}
	}
}

// unused names what one package may import and does not: the table is to show the program as it is.
func unused(p listed, arrows map[string][]string) []string {
	var out []string
	for _, to := range arrows[p.Path] {
		if path := module + "/" + to; !slices.Contains(p.Imports, path) && !slices.Contains(p.TestImports, path) {
			out = append(out, p.Path+" does not import "+to+"; take the arrow out of the table and of .golangci.yml")
		}
	}
	return out
}

// complaints names the imports of one package that go against the arrows. Its tests may also use the tools of e2e, and
// what stands in for a service in tests.
func complaints(p listed, arrows map[string][]string) []string {
	var out []string
	_, entered := arrows[p.Path]
	if !entered && !isTool(p.Path) {
		return []string{p.Path + " has no entry in the table of arrows; add it there and in .golangci.yml"}
	}
	for _, imported := range p.Imports {
		if to := inModule(imported); to != "" && !allowed(arrows, p.Path, to) {
			out = append(out, p.Path+" must not import "+to)
		}
	}
	for _, imported := range p.TestImports {
		if to := inModule(imported); to != "" && to != p.Path && !isTool(to) && !isDouble(to) && !allowed(arrows, p.Path, to) {
			out = append(out, "a test of "+p.Path+" must not import "+to)
		}
	}
	return out
}

// allowed says whether the code of one package may import another. Tools know the program only as a binary.
func allowed(arrows map[string][]string, from, to string) bool {
	if isTool(from) {
		return isTool(to)
	}
	return slices.Contains(arrows[from], to)
}

func isTool(path string) bool { return path == "e2e" || strings.HasPrefix(path, "e2e/") }

// isDouble says whether a package is for tests alone.
func isDouble(path string) bool {
	return path == "pkg/ownership/coord/fake" || path == "pkg/ownership/coord/coordtest"
}

// inModule returns the path within this module, or "" for what comes from elsewhere.
func inModule(path string) string {
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	return rest
}

// listPackages reads the imports of every package of the module, under whatever build constraint, compiling or not. It
// reads the files itself: go test would keep the result of a child process, such as go list, after a file changed.
func listPackages(t *testing.T) []listed {
	t.Helper()
	byPath := map[string]*listed{}
	err := filepath.WalkDir(root(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != root() && (strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "_") || entry.Name() == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		return readImports(path, byPath)
	})
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	var packages []listed
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		packages = append(packages, *byPath[path])
	}
	return packages
}

// readImports adds the imports of one file to its package.
func readImports(path string, byPath map[string]*listed) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		return err
	}
	dir, err := filepath.Rel(root(), filepath.Dir(path))
	if err != nil {
		return err
	}
	key := filepath.ToSlash(dir)
	if byPath[key] == nil {
		byPath[key] = &listed{Path: key}
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, "_test.go") {
			byPath[key].TestImports = append(byPath[key].TestImports, imported)
		} else {
			byPath[key].Imports = append(byPath[key].Imports, imported)
		}
	}
	return nil
}

func root() string { return filepath.Join("..", "..") }

func TestComplaints(t *testing.T) {
	for _, test := range []struct {
		name string
		p    listed
		want string // "" for none
	}{
		{"down", listed{Path: "pkg/mirror", Imports: []string{"fmt", "tributary/pkg/batch"}}, ""},
		{"the algorithm imports an adapter", listed{Path: "pkg/mirror", Imports: []string{"tributary/pkg/consume"}}, "pkg/mirror must not import pkg/consume"},
		{"an adapter imports another", listed{Path: "pkg/consume", Imports: []string{"tributary/pkg/produce"}}, "pkg/consume must not import pkg/produce"},
		{"a test goes up", listed{Path: "pkg/batch", TestImports: []string{"tributary/pkg/kafka"}}, "a test of pkg/batch must not import pkg/kafka"},
		{"a test imports its own package", listed{Path: "pkg/batch", TestImports: []string{"tributary/pkg/batch"}}, ""},
		{"a test uses real brokers", listed{Path: "pkg/kafka", TestImports: []string{"tributary/e2e/kafka"}}, ""},
		{"a test uses a fake", listed{Path: "pkg/ownership/pool", TestImports: []string{"tributary/pkg/ownership/coord/fake"}}, ""},
		{"the program uses a fake", listed{Path: "pkg/ownership/pool", Imports: []string{"tributary/pkg/ownership/coord/fake"}},
			"pkg/ownership/pool must not import pkg/ownership/coord/fake"},
		{"the program uses test tools", listed{Path: "pkg/kafka", Imports: []string{"tributary/e2e/kafka"}}, "pkg/kafka must not import e2e/kafka"},
		{"e2e reaches into the program", listed{Path: "e2e/load", Imports: []string{"tributary/pkg/batch"}}, "e2e/load must not import pkg/batch"},
		{"an e2e test reaches into the program", listed{Path: "e2e", TestImports: []string{"tributary/pkg/app"}}, "a test of e2e must not import pkg/app"},
		{"e2e uses e2e", listed{Path: "e2e", TestImports: []string{"tributary/e2e/load"}}, ""},
		{"a new package", listed{Path: "pkg/utils"}, "pkg/utils has no entry in the table of arrows; add it there and in .golangci.yml"},
	} {
		if got := strings.Join(complaints(test.p, arrows()), "; "); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestUnusedArrows(t *testing.T) {
	table := map[string][]string{"pkg/a": {"pkg/b", "pkg/c", "pkg/d"}}
	got := unused(listed{Path: "pkg/a", Imports: []string{"tributary/pkg/b"}, TestImports: []string{"tributary/pkg/c"}}, table)
	if want := []string{"pkg/a does not import pkg/d; take the arrow out of the table and of .golangci.yml"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestArrowsGoOneWay(t *testing.T) {
	table := arrows()
	done := map[string]bool{}
	var visit func(path string, above []string)
	visit = func(path string, above []string) {
		if slices.Contains(above, path) {
			t.Fatalf("a cycle: %s", strings.Join(append(above, path), " -> "))
		}
		if done[path] {
			return
		}
		done[path] = true
		for _, to := range table[path] {
			if _, ok := table[to]; !ok {
				t.Errorf("%s may import %s, which has no entry", path, to)
			}
			visit(to, append(slices.Clip(above), path))
		}
	}
	for path := range table {
		visit(path, nil)
	}
}

// rule is one rule of depguard in .golangci.yml.
type rule struct {
	ListMode string   `yaml:"list-mode"`
	Files    []string `yaml:"files"`
	Allow    []string `yaml:"allow"`
	Deny     []struct {
		Pkg string `yaml:"pkg"`
	} `yaml:"deny"`
}

func TestTheLinterKnowsTheSameArrows(t *testing.T) {
	rules := lintRules(t)
	for path, imports := range arrows() {
		name := strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(path, "pkg/"), "cmd/"), "/", "-")
		if path == "cmd/mirror" {
			name = "command"
		}
		got, ok := rules[name]
		delete(rules, name)
		if !ok {
			t.Errorf(".golangci.yml has no rule %s for %s", name, path)
			continue
		}
		var want []string
		for _, to := range imports {
			want = append(want, module+"/"+to+"$")
		}
		if !slices.Equal(got.Allow, want) {
			t.Errorf("rule %s allows %v, want %v", name, got.Allow, want)
		}
		checkRule(t, name, got, []string{"**/" + path + "/*.go", "!$test"}, module)
	}
	checkRule(t, "e2e", rules["e2e"], []string{"**/e2e/**"}, module+"/pkg")
	delete(rules, "e2e")
	if len(rules) > 0 {
		t.Errorf(".golangci.yml has rules for packages without arrows: %v", slices.Sorted(maps.Keys(rules)))
	}
}

func checkRule(t *testing.T, name string, got rule, files []string, denied string) {
	t.Helper()
	if got.ListMode != "lax" || !slices.Equal(got.Files, files) || len(got.Deny) != 1 || got.Deny[0].Pkg != denied {
		t.Errorf("rule %s is %+v, want list-mode lax, files %v, denied %s", name, got, files, denied)
	}
}

func lintRules(t *testing.T) map[string]rule {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(), ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Linters struct {
			Settings struct {
				Depguard struct{ Rules map[string]rule }
			}
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatalf("read .golangci.yml: %v", err)
	}
	return file.Linters.Settings.Depguard.Rules
}
