package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxReferencedBytes is the largest file that ${file:...} and ${cred:...} read: a secret, not a disk.
const maxReferencedBytes = 64 << 10

// Env is the surroundings a configuration is read in.
type Env struct {
	// Lookup returns an environment variable, like os.LookupEnv.
	Lookup func(name string) (string, bool)
	// ReadFile returns the content of a file that ${file:PATH} or ${cred:NAME} names.
	ReadFile func(path string) ([]byte, error)
	// Hostname returns the default of instance, like os.Hostname.
	Hostname func() (string, error)
}

// OSEnv returns the surroundings of this process. Files must be regular and at most 64 KiB.
func OSEnv() Env {
	return Env{Lookup: os.LookupEnv, ReadFile: readReferenced, Hostname: os.Hostname}
}

// readReferenced refuses what would block or never end, such as a pipe or a device.
func readReferenced(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := readLimited(path, maxReferencedBytes+1)
	if err != nil {
		return nil, err
	}
	if len(data) > maxReferencedBytes {
		return nil, fmt.Errorf("%s is larger than 64 KiB", path)
	}
	return data, nil
}

// expand replaces the references in a scalar:
//
//	${VAR}           environment variable; an error when it is not set
//	${VAR:-default}  the default when it is not set or empty
//	${file:PATH}     content of a file, given by its absolute path, without the line ends at its end
//	${cred:NAME}     the same of a systemd credential, a file in $CREDENTIALS_DIRECTORY
//	$${              the two characters ${
//
// Every other '$' stands for itself, and nothing that was put in is expanded again. Errors never contain what
// was put in.
func expand(text string, env Env) (string, error) {
	var out strings.Builder
	var problems []error
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			out.WriteString(text)
			return out.String(), errors.Join(problems...)
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(escaped + "${")
			text = rest
			continue
		}
		reference, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.Join(append(problems, errors.New("${ has no closing }; write $${ for the characters themselves"))...)
		}
		value, err := resolve(reference, env)
		if err != nil {
			problems = append(problems, err)
		}
		out.WriteString(before + value)
		text = after
	}
}

// resolve returns what one reference stands for. Its errors name a reference only when it is one: anything else may
// be a piece of a password.
func resolve(reference string, env Env) (string, error) {
	if path, ok := strings.CutPrefix(reference, "file:"); ok {
		if !filepath.IsAbs(path) {
			return "", fmt.Errorf("${file:%s}: the path must be absolute", path)
		}
		return fileText(reference, path, env)
	}
	if name, ok := strings.CutPrefix(reference, "cred:"); ok {
		return credential(name, env)
	}
	name, fallback, hasFallback := strings.Cut(reference, ":-")
	if !isVariable(name) {
		return "", errors.New("has a ${...} that is no reference; use ${VAR}, ${VAR:-default}, ${file:PATH} or ${cred:NAME}, or $${ for the characters themselves")
	}
	if strings.Contains(fallback, "${") {
		return "", fmt.Errorf("${%s}: its default cannot contain another reference", name)
	}
	value, set := env.Lookup(name)
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("${%s}: the variable is not set; set it or write ${%s:-default}", name, name)
	}
	return value, nil
}

func credential(name string, env Env) (string, error) {
	if !isName(name) {
		return "", errors.New("${cred:...} does not name a credential")
	}
	dir, _ := env.Lookup("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("${cred:%s}: CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with LoadCredential=", name)
	}
	return fileText("cred:"+name, filepath.Join(dir, name), env)
}

// fileText returns the content of a file without the line ends at its end.
func fileText(reference, path string, env Env) (string, error) {
	data, err := env.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("${%s}: %w", reference, err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// isVariable accepts the names a shell accepts.
func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
