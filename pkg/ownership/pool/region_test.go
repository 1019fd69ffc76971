package pool

import (
	"testing/synctest"
	"time"
)

// trio starts three members and waits until they share everything.
func trio(r *region) (a, b, c *actor) {
	a, b, c = r.start("a"), r.start("b"), r.start("c")
	r.await(10 * time.Second)
	r.pass(30 * time.Second)
	return a, b, c
}

// pass lets time pass, and looks whether anything is owned twice.
func (r *region) pass(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		time.Sleep(20 * time.Millisecond)
		r.owners()
	}
}

// until waits for something.
func (r *region) until(what string, within time.Duration, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		synctest.Wait()
		r.owners()
		if ok() {
			return
		}
		if time.Now().After(end) {
			r.dump()
			r.t.Fatalf("after %v still not: %s", within, what)
		}
	}
}

func validOf(a *actor) (n int) {
	for _, t := range a.tenures() {
		if a.Valid(t) {
			n++
		}
	}
	return n
}
