package packaging_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// filterEnv names a file with the system calls that this program, started anew, allows itself before it becomes the one of its
// arguments. Systemd does the same with SystemCallFilter=.
const filterEnv = "PACKAGING_SYSTEM_CALLS"

// becomeFiltered never returns where filterEnv is set.
func becomeFiltered() {
	path := os.Getenv(filterEnv)
	if path == "" {
		return
	}
	err := filtered(path, os.Args[1:])
	fmt.Fprintln(os.Stderr, "become filtered:", err)
	os.Exit(1)
}

func filtered(path string, argv []string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(data)/8)
	if _, err := binary.Decode(data, binary.NativeEndian, filter); err != nil {
		return err
	}
	environment := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, filterEnv) })
	runtime.LockOSThread() // what is forbidden to a thread holds for what it becomes
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); failed != 0 {
		return fmt.Errorf("set the filter: %w", failed)
	}
	return fmt.Errorf("become %s: %w", argv[0], syscall.Exec(argv[0], argv, environment))
}

// writeFilter writes a program for the kernel that ends the process at every call but those with the numbers given.
func writeFilter(t *testing.T, numbers []uint32) string {
	t.Helper()
	arch := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if arch == 0 {
		t.Skipf("no packages are made for %s", runtime.GOARCH)
	}
	const load, equal, result = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{{Code: load, K: 4}, {Code: equal, Jt: 1, K: arch}, {Code: result, K: unix.SECCOMP_RET_KILL_PROCESS}, {Code: load, K: 0}} // of seccomp_data: 0 number, 4 architecture
	for _, number := range numbers {
		filter = append(filter, unix.SockFilter{Code: equal, Jf: 1, K: number}, unix.SockFilter{Code: result, K: unix.SECCOMP_RET_ALLOW})
	}
	filter = append(filter, unix.SockFilter{Code: result, K: unix.SECCOMP_RET_KILL_PROCESS})
	data, err := binary.Append(nil, binary.NativeEndian, filter)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "filter")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// unitCalls are the names that the unit's SystemCallFilter= allows: in its lines groups and calls are added, and with a ~ taken away.
func unitCalls(t *testing.T) map[string]bool {
	t.Helper()
	allowed := map[string]bool{}
	lines := 0
	for line := range strings.Lines(string(readUnit(t))) {
		value, found := strings.CutPrefix(strings.TrimSpace(line), "SystemCallFilter=")
		if !found {
			continue
		}
		lines++
		value, takeAway := strings.CutPrefix(value, "~")
		for name := range strings.FieldsSeq(value) {
			for _, call := range members(t, name) {
				allowed[call] = !takeAway
			}
		}
	}
	maps.DeleteFunc(allowed, func(_ string, is bool) bool { return !is })
	if lines == 0 || len(allowed) < 100 {
		t.Fatalf("%d lines of the unit allow %d system calls", lines, len(allowed))
	}
	return allowed
}

// members are the calls of a group, with those of the groups in it; a call is its own.
func members(t *testing.T, name string) (calls []string) {
	t.Helper()
	if !strings.HasPrefix(name, "@") {
		return []string{name}
	}
	out, err := analyze(t, "syscall-filter", "--no-pager", name)
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v: %s", name, err, out)
	}
	for line := range strings.Lines(out) {
		if word := strings.TrimSpace(line); word != "" && word != name && !strings.HasPrefix(word, "#") {
			calls = append(calls, members(t, word)...)
		}
	}
	return calls
}

// numbersOf looks calls up in the tables of golang.org/x/sys. Those that this architecture does not have are left out.
func numbersOf(t *testing.T, calls map[string]bool) (numbers []uint32) {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+runtime.GOARCH+".go")
	parsed, err := parser.ParseFile(token.NewFileSet(), table, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !calls[strings.ToLower(strings.TrimPrefix(spec.Names[0].Name, "SYS_"))] {
			return true
		}
		number, err := strconv.ParseUint(spec.Values[0].(*ast.BasicLit).Value, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, uint32(number))
		return true
	})
	return numbers
}

// underFilter is a run of the program that may only make these calls.
func underFilter(t *testing.T, filter string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, append([]string{stage.binary}, args...)...)
	cmd.Env = append(os.Environ(), filterEnv+"="+filter)
	return cmd
}

// The program needs no system call that the unit forbids: it copies, serves, keeps its state and drains under the unit's filter,
// which would end it at the first other one.
func TestProgramKeepsToTheUnitsSystemCalls(t *testing.T) {
	allowed := unitCalls(t)
	filter := writeFilter(t, numbersOf(t, allowed))
	t.Run("copies", func(t *testing.T) {
		if out, err := underFilter(t, filter, "demo", "--records", "2000", "--duration", "3s").CombinedOutput(); err != nil {
			t.Errorf("mirror demo: %v: %s", err, out)
		}
	})
	t.Run("runs and drains", func(t *testing.T) {
		manager := newServiceManager(t)
		cmd := underFilter(t, filter, "run", "-c", unreachable(t))
		stderr := manager.run(cmd)
		manager.await("STATUS=a-b waiting")
		manager.await("WATCHDOG=1")
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		manager.await("RELOADING=1")
		manager.await("READY=1")
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("ended with %v: %s", err, stderr)
		}
	})
	t.Run("the filter holds", func(t *testing.T) {
		without := maps.Clone(allowed)
		delete(without, "socket")
		err := underFilter(t, writeFilter(t, numbersOf(t, without)), "demo", "--records", "10", "--duration", "1s").Run()
		ended, ok := errors.AsType[*exec.ExitError](err)
		if !ok || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGSYS {
			t.Errorf("without sockets it ended with %v, want SIGSYS", err)
		}
	})
}
