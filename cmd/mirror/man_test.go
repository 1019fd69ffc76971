package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryCommandHasAManPage(t *testing.T) {
	dir := t.TempDir()
	if got := mirror(t, "man", dir); got.code != exitOK || got.stderr != "" {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	for _, cmd := range newRoot().Commands() {
		page, err := os.ReadFile(filepath.Join(dir, "mirror-"+cmd.Name()+".1"))
		if cmd.Hidden || cmd.Name() == "help" {
			continue
		}
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(page), cmd.Short) {
			t.Errorf("the page of %s lacks %q", cmd.Name(), cmd.Short)
		}
	}
}
