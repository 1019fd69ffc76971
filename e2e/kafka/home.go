package kafka

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Names inside an installed version. The order is that of provisioning: the archive comes last and marks it complete.
const (
	libsName       = "libs"
	checkpointName = "bootstrap.checkpoint" // KRaft only
	archiveName    = "classes.jsa"          // empty where the JVM cannot make one
)

// home is one installed version, ready to run.
type home struct {
	dir  string
	java string // absolute path
}

func (h home) complete() bool {
	_, err := os.Stat(filepath.Join(h.dir, archiveName))
	return err == nil
}

// classpath lists the jars in sorted order: a class archive is only valid for exactly the path it was made with.
func (h home) classpath() (string, error) {
	jars, err := filepath.Glob(filepath.Join(h.dir, libsName, "*.jar"))
	if err != nil {
		return "", fmt.Errorf("list jars: %w", err)
	}
	if len(jars) == 0 {
		return "", fmt.Errorf("no jars in %s: remove its parent directory and provision again", h.dir)
	}
	slices.Sort(jars)
	return strings.Join(jars, string(os.PathListSeparator)), nil
}

// quickStart are the flags for a JVM that lives for seconds: no optimising compiler, one collector thread.
func quickStart() []string { return []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"} }

// jvm says how one Java program runs.
type jvm struct {
	heapMB int
	flags  []string // nil: quickStart
	main   string
	args   []string
}

// command builds the command line of a server. The class archive halves the time to start; a JVM that does not
// accept it, because it is another one than it was made with, ignores it.
func (h home) command(j jvm) ([]string, error) {
	classpath, err := h.classpath()
	if err != nil {
		return nil, err
	}
	flags := j.flags
	if flags == nil {
		flags = quickStart()
	}
	argv := []string{h.java, fmt.Sprintf("-Xmx%dm", j.heapMB), "-Djava.awt.headless=true"}
	argv = append(argv, logFlags()...)
	argv = append(argv, flags...)
	archive := filepath.Join(h.dir, archiveName)
	if info, err := os.Stat(archive); err == nil && info.Size() > 0 {
		argv = append(argv, "-Xshare:auto", "-XX:SharedArchiveFile="+archive)
	}
	argv = append(argv, "-cp", classpath, j.main)
	return append(argv, j.args...), nil
}

func logFlags() []string {
	const simple = "-Dorg.slf4j.simpleLogger."
	return []string{
		simple + "defaultLogLevel=info",
		simple + "showDateTime=true",
		simple + "dateTimeFormat=HH:mm:ss.SSS",
		simple + "showShortLogName=true",
	}
}
