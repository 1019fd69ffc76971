package peer

import (
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestKilledProcessIsProvenDead kills real processes and prints how long the proof takes.
func TestKilledProcessIsProvenDead(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]*TLS{"plain": nil, "TLS": issue(t, "")} {
		t.Run(name, func(t *testing.T) {
			var took []time.Duration
			for range 5 {
				victim, address := startProcess(t, bob, files)
				s, stop := start(t, Config{TLS: files}, alice, map[string]string{bob: address, alice: "127.0.0.1:1"})
				awaitState(t, s, bob, Connected)
				begin := time.Now()
				if err := victim.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				awaitDeath(t, s, bob)
				took = append(took, time.Since(begin))
				s.Set(alice, map[string]string{bob: address})
				if got := statusOf(s, bob); got.State != Dead {
					t.Errorf("after the verdict: %+v", got)
				}
				stop()
				noSecondDeath(t, s)
			}
			t.Logf("kill -9 to the verdict: %v", took)
			for _, d := range took {
				if d > 5*time.Second {
					t.Errorf("a verdict took %v", d)
				}
			}
		})
	}
}

func noSecondDeath(t *testing.T, s *Streams) {
	t.Helper()
	select {
	case who := <-s.Dead():
		t.Errorf("%s is declared dead a second time", who)
	default:
	}
}

// TestFrozenProcessIsNotDead: the kernel of a stopped process goes on accepting for it, and nothing is concluded.
func TestFrozenProcessIsNotDead(t *testing.T) {
	t.Parallel()
	victim, address := startProcess(t, bob, nil)
	s, _ := start(t, Config{}, alice, map[string]string{bob: address})
	awaitState(t, s, bob, Connected)
	if err := victim.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	await(t, "the frozen one is silent", func() bool { return statusOf(s, bob).Silent })
	noDeath(t, s)
	if got := statusOf(s, bob); got.State != Connected {
		t.Errorf("frozen: %+v", got)
	}
	if err := victim.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	await(t, "it is heard again", func() bool { return !statusOf(s, bob).Silent })
	noDeath(t, s)
}

// scripted answers the first connection as bob and closes it when told to, and every later one as the script says.
type scripted struct {
	listener *net.TCPListener
	hangUp   chan bool
	later    atomic.Int32 // connections after the first
}

func script(t *testing.T, answer func(conn net.Conn, hello greeting)) *scripted {
	t.Helper()
	s := &scripted{listener: listen(t), hangUp: make(chan bool)}
	go func() {
		for first := true; ; {
			conn, err := s.listener.Accept()
			if err != nil {
				return
			}
			said, err := readGreeting(conn)
			if err != nil { // the test is over
				_ = conn.Close()
				continue
			}
			if first {
				first = false
				welcome(conn, bob, 1, testPool)
				<-s.hangUp
				_ = conn.Close()
				continue
			}
			s.later.Add(1)
			answer(conn, said)
		}
	}()
	return s
}

func welcome(conn net.Conn, from string, process byte, pool string) {
	_, _ = conn.Write(greeting{kind: kindWelcome, process: [16]byte{process}, pool: pool, from: from, to: alice}.encode())
}

func TestVerdictsAfterAStreamWasClosed(t *testing.T) {
	t.Parallel()
	const restarted = "bob-99999999-0000000007"
	closing := func(say func(net.Conn)) func(net.Conn, greeting) {
		return func(conn net.Conn, _ greeting) {
			say(conn)
			_ = conn.Close()
		}
	}
	for _, test := range []struct {
		name   string
		answer func(net.Conn, greeting)
		dead   bool
		tries  int32 // connections seen before the case is judged
		state  State
	}{
		{"the same incarnation", func(conn net.Conn, _ greeting) { welcome(conn, bob, 1, testPool) }, false, 1, Connected},
		{"the address is restarted on", closing(func(c net.Conn) { welcome(c, restarted, 2, testPool) }), true, 1, Dead},
		{"a new incarnation of the same process", closing(func(c net.Conn) { welcome(c, restarted, 1, testPool) }), false, redials + 1, Connecting},
		{"another process that is no member yet", closing(func(c net.Conn) { welcome(c, "", 2, testPool) }), false, redials + 1, Connecting},
		{"another instance has the address", closing(func(c net.Conn) { welcome(c, alice, 2, testPool) }), false, redials + 1, Connecting},
		{"a foreign pool refuses", closing(func(c net.Conn) { _, _ = c.Write(greeting{kind: kindRefusal}.encode()) }), false, 2, Connecting},
		{"a foreign pool welcomes", closing(func(c net.Conn) { welcome(c, restarted, 2, "/other") }), false, 2, Connecting},
		{"garbage", closing(func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }), false, redials + 1, Connecting},
		{"it hangs up again and again", closing(func(net.Conn) {}), false, redials + 1, Connecting},
		{"it accepts and says nothing", func(net.Conn, greeting) {}, false, 3, Connecting},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			far := script(t, test.answer)
			s, _ := start(t, Config{}, alice, map[string]string{bob: far.listener.Addr().String()})
			awaitState(t, s, bob, Connected)
			close(far.hangUp)
			if test.dead {
				awaitDeath(t, s, bob)
			} else {
				await(t, "it was dialed again", func() bool { return far.later.Load() >= test.tries })
				awaitState(t, s, bob, test.state)
				noDeath(t, s)
			}
		})
	}
}

// TestRefusalIsProofOnlyAfterAStream: one who never greeted may never have been there; one whose stream we gave up, too.
func TestRefusalIsProofOnlyAfterAStream(t *testing.T) {
	t.Parallel()
	gone := listen(t)
	_ = gone.Close()
	s, _ := start(t, Config{}, alice, map[string]string{bob: gone.Addr().String()})
	awaitProblem(t, s, bob, "connection refused")
	since := statusOf(s, bob).Since
	for begin := time.Now(); time.Since(begin) < 300*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		noDeath(t, s) // several dials, each refused
	}
	if got := statusOf(s, bob); got.State != Connecting || got.Since != since {
		t.Errorf("got %+v, want connecting since %v", got, since)
	}
}

// TestSeveredStreamIsNotADeath: something in between resets the stream; who is at the address answers.
func TestSeveredStreamIsNotADeath(t *testing.T) {
	t.Parallel()
	b, _ := start(t, Config{}, bob, nil)
	between := listen(t)
	conns := make(chan [2]net.Conn, 10)
	go func() {
		for {
			near, err := between.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", b.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			conns <- [2]net.Conn{near, far}
			go copyBytes(near, far)
			go copyBytes(far, near)
		}
	}()
	s, _ := start(t, Config{}, alice, map[string]string{bob: between.Addr().String()})
	for range 3 {
		pair := <-conns
		awaitState(t, s, bob, Connected)
		since := statusOf(s, bob).Since
		_ = pair[0].(*net.TCPConn).SetLinger(0) // a reset
		_ = pair[0].Close()
		_ = pair[1].Close()
		await(t, "there is another stream", func() bool {
			got := statusOf(s, bob)
			return got.State == Connected && got.Since.After(since)
		})
		noDeath(t, s)
	}
}

func copyBytes(to, from net.Conn) {
	var buf [512]byte
	for {
		n, err := from.Read(buf[:])
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

func TestLeavingIsNoDeath(t *testing.T) {
	t.Parallel()
	b, stop := start(t, Config{}, bob, nil)
	s, _ := start(t, Config{}, alice, map[string]string{bob: b.Addr()})
	awaitState(t, s, bob, Connected)
	stop()
	awaitState(t, s, bob, Left)
	noDeath(t, s)
}

func TestWhoLeftIsNotDialed(t *testing.T) {
	t.Parallel()
	far := listen(t)
	s, _ := start(t, Config{}, alice, map[string]string{bob: far.Addr().String()})
	conn, err := far.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readGreeting(conn); err != nil {
		t.Fatal(err)
	}
	welcome(conn, bob, 1, testPool)
	if _, err := conn.Write([]byte{byteBeat, byteGoodbye}); err != nil {
		t.Fatal(err)
	}
	awaitState(t, s, bob, Left)
	_ = conn.Close()
	if err := far.SetDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if conn, err := far.Accept(); err == nil {
		t.Errorf("%v dialed one who took leave", conn.RemoteAddr())
	}
	noDeath(t, s)
}

// TestNewIncarnationOfALivingProcess: a member that lost its session comes back under another name, and nobody died.
func TestNewIncarnationOfALivingProcess(t *testing.T) {
	t.Parallel()
	const reborn = "bob-0123abcd-0000000009"
	b, _ := start(t, Config{}, bob, nil)
	s, _ := start(t, Config{}, alice, map[string]string{bob: b.Addr(), reborn: b.Addr()})
	awaitState(t, s, bob, Connected)
	awaitProblem(t, s, reborn, "it is "+bob+" by now")
	b.Set("", nil)
	awaitState(t, s, bob, Left)
	awaitProblem(t, s, reborn, "not joined")
	b.Set(reborn, nil)
	awaitState(t, s, reborn, Connected)
	noDeath(t, s)
	s.Set(alice, map[string]string{reborn: b.Addr()})
	await(t, "the former incarnation is forgotten", func() bool { return len(s.Status()) == 1 })
}

func TestStatesHaveNames(t *testing.T) {
	for state := Connecting; state <= Dead; state++ {
		if name := state.String(); name == "" || strings.ToLower(name) != name {
			t.Errorf("state %d is called %q", state, name)
		}
	}
}
