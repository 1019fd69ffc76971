package mirror

import (
	"context"
	"time"
)

// gatherer makes one call of many: what is asked for while a call is under way goes into the next one, all of it. So a
// single start asks at once, and hundreds at a time ask a cluster a few times.
type gatherer[In, Out any] struct {
	call    func(ctx context.Context, in []In) (Out, error) // the answer is everybody's: nobody changes it
	timeout time.Duration                                   // of one call
	asked   chan question[In, Out]
}

type question[In, Out any] struct {
	in     In
	answer chan<- answered[Out] // holds one
}

type answered[Out any] struct {
	out Out
	err error
}

func newGatherer[In, Out any](timeout time.Duration, call func(ctx context.Context, in []In) (Out, error)) *gatherer[In, Out] {
	return &gatherer[In, Out]{call: call, timeout: timeout, asked: make(chan question[In, Out])}
}

// do returns what a call of in, and perhaps of others, answered. It returns when ctx ends, whatever the call does.
func (g *gatherer[In, Out]) do(ctx context.Context, in In) (Out, error) {
	var none Out
	answer := make(chan answered[Out], 1)
	select {
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case g.asked <- question[In, Out]{in, answer}:
	}
	select {
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case a := <-answer:
		return a.out, a.err
	}
}

// run makes the calls, one after the other, until ctx ends.
func (g *gatherer[In, Out]) run(ctx context.Context) {
	for {
		var list []question[In, Out]
		select {
		case <-ctx.Done():
			return
		case q := <-g.asked:
			list = append(list, q)
		}
		for more := true; more; {
			select {
			case q := <-g.asked:
				list = append(list, q)
			default:
				more = false
			}
		}
		in := make([]In, len(list))
		for i, q := range list {
			in[i] = q.in
		}
		bounded, cancel := context.WithTimeout(ctx, g.timeout)
		out, err := g.call(bounded, in)
		cancel()
		for _, q := range list {
			q.answer <- answered[Out]{out, err}
		}
	}
}
