package kafka

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Where Java is missing, it is installed on Debian with root; elsewhere the error says what to do.
func TestMissingJava(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("JAVA_HOME", "")
	t.Setenv("PATH", bin)
	// An apt-get that notes how it was called, and installs a java that only knows its version.
	script := `#!/bin/sh
echo "$@" >> "` + bin + `/calls"
echo '#!/bin/sh
echo "openjdk version \"17.0.1\"" >&2' > "` + bin + `/java"
/bin/chmod +x "` + bin + `/java"
`
	if err := os.WriteFile(filepath.Join(bin, "apt-get"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	path, err := findJava(t.Context(), io.Discard)
	if _, statErr := os.Stat("/etc/debian_version"); statErr != nil || os.Geteuid() != 0 {
		if err == nil || !strings.Contains(err.Error(), "apt-get install "+javaPackage) {
			t.Errorf("got %q, %v, want an error with the next step", path, err)
		}
		return
	}
	if want := filepath.Join(bin, "java"); err != nil || path != want {
		t.Fatalf("got %q, %v, want %q", path, err, want)
	}
	calls, err := os.ReadFile(filepath.Join(bin, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "update -q\ninstall -y -q --no-install-recommends " + javaPackage + "\n"; string(calls) != want {
		t.Errorf("apt-get: got %q, want %q", calls, want)
	}
}

func TestOldJavaIsNotTaken(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("JAVA_HOME", "")
	t.Setenv("PATH", bin)
	script := "#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n"
	if err := os.WriteFile(filepath.Join(bin, "java"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if path, err := lookJava(t.Context()); err == nil || !strings.Contains(err.Error(), "Java 11") {
		t.Errorf("got %q, %v, want Java 11 refused", path, err)
	}
}
