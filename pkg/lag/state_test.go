package lag

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"tributary/pkg/mirror"
)

// constants returns the values of mirror's constants of one type.
func constants(t *testing.T, name, kind string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "mirror", name), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if named, ok := spec.Type.(*ast.Ident); ok && named.Name == kind {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("no constants of type %s", kind)
	}
	return values
}

func TestEveryStateOfMirrorIsKnown(t *testing.T) {
	for _, s := range constants(t, "status.go", "State") {
		if Urgency(mirror.State(s)) < 0 {
			t.Errorf("state %s is not in States", s)
		}
	}
}

func TestCausesAreThoseOfMirror(t *testing.T) {
	var got []string
	for _, c := range mirror.Causes() {
		got = append(got, string(c))
	}
	if want := constants(t, "cause.go", "Cause"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWorse(t *testing.T) {
	for _, test := range []struct{ a, b, want mirror.State }{
		{"", "", ""}, {"", copying, copying}, {copying, "", copying}, {copying, caughtUp, copying}, {caughtUp, copying, copying},
		{halted, waiting, halted}, {waiting, StateUnowned, StateUnowned}, {halted, "burning", "burning"}, {"burning", halted, "burning"},
	} {
		if got := Worse(test.a, test.b); got != test.want {
			t.Errorf("Worse(%q, %q) = %q, want %q", test.a, test.b, got, test.want)
		}
	}
}
