package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"tributary/e2e/debian"
)

// minJava is the oldest Java that runs every pinned version: Kafka 4 needs 17.
const minJava = 17

const (
	javaPackage  = "openjdk-17-jre-headless"
	mavenPackage = "maven"
)

// findJava returns the java of JAVA_HOME or of PATH that is new enough, installing one where that is possible.
func findJava(ctx context.Context, progress io.Writer) (string, error) {
	path, missing := lookJava(ctx)
	if missing == nil {
		return path, nil
	}
	if err := debian.Install(ctx, progress, javaPackage); err != nil {
		return "", fmt.Errorf("find Java %d or newer by JAVA_HOME or PATH: %w; install it: %w", minJava, missing, err)
	}
	path, err := lookJava(ctx)
	if err != nil {
		return "", fmt.Errorf("find java after installing %s: %w", javaPackage, err)
	}
	return path, nil
}

func lookJava(ctx context.Context) (string, error) {
	var candidates []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, "bin", "java"))
	}
	candidates = append(candidates, "java")

	var problems []error
	for _, name := range candidates {
		path, err := exec.LookPath(name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		version, err := javaVersion(ctx, path)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if version < minJava {
			problems = append(problems, fmt.Errorf("%s is Java %d, need %d or newer", path, version, minJava))
			continue
		}
		return path, nil
	}
	return "", errors.Join(problems...)
}

func javaVersion(ctx context.Context, path string) (int, error) {
	out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("run %s -version: %w: %s", path, err, bytes.TrimSpace(out))
	}
	return parseJavaVersion(string(out))
}

// parseJavaVersion takes the major version out of what java -version prints: 17 of "17.0.15", 8 of "1.8.0_402".
func parseJavaVersion(out string) (int, error) {
	match := regexp.MustCompile(`version "(?:1\.)?(\d+)`).FindStringSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("no version in the output of java -version: %q", out)
	}
	return strconv.Atoi(match[1])
}

func findMaven(ctx context.Context, progress io.Writer) (string, error) {
	path, missing := exec.LookPath("mvn")
	if missing == nil {
		return path, nil
	}
	if err := debian.Install(ctx, progress, mavenPackage); err != nil {
		return "", fmt.Errorf("find Maven: %w; install it: %w", missing, err)
	}
	return exec.LookPath("mvn")
}

// say writes one progress line. A line that cannot be written is no reason to stop provisioning.
func say(progress io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(progress, "e2e/kafka: "+format+"\n", args...)
}
