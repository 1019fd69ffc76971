package app

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// run runs everything until ctx ends: first the links stop, which drain through lanes that still work and give back what they
// have; then the pools are left; then the rest stops.
func (p *process) run(ctx context.Context) error {
	rest, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	carriers, carried := errgroup.WithContext(rest)
	for _, w := range p.watchers {
		carriers.Go(func() error { return w.Run(carried) })
	}
	for _, s := range p.sources {
		carriers.Go(func() error { return s.Run(carried) })
	}
	for _, s := range p.sinks {
		carriers.Go(func() error { return s.Run(carried) })
	}
	if p.heart != nil {
		carriers.Go(func() error { return p.heart.Run(carried) })
	}
	for _, a := range p.asides {
		carriers.Go(func() error { return a.prober.Run(carried) })
	}
	carriers.Go(func() error { return p.observer.Run(carried) })
	carriers.Go(func() error { return p.server.Run(carried) })
	carriers.Go(func() error { return p.eligible.Run(carried) })
	if p.deadman != nil {
		carriers.Go(func() error { return p.deadman.Run(carried) })
	}
	carriers.Go(func() error { return p.pauses.Run(carried) })
	if p.reloader != nil {
		carriers.Go(func() error { return p.reloader.run(carried) })
	}
	carriers.Go(func() error { return p.notifier.Run(carried, ctx.Done()) })

	staying, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	members, joined := errgroup.WithContext(staying)
	for _, m := range p.members {
		members.Go(func() error { return m.run(joined) })
	}

	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	context.AfterFunc(carried, func() { cancel(context.Cause(carried)) }) // a carrier that fails ends the links too,
	context.AfterFunc(joined, func() { cancel(context.Cause(joined)) })   // and so does a member
	var links errgroup.Group
	for _, l := range p.links {
		links.Go(func() error { return l.Run(working) })
	}
	if len(p.links) == 0 { // it reads heartbeats alone
		<-working.Done()
	}
	err := links.Wait()
	leave()
	err = errors.Join(err, members.Wait())
	stop()
	if ended := carriers.Wait(); ended != nil && !errors.Is(ended, context.Canceled) {
		err = errors.Join(err, ended)
	}
	return errors.Join(err, p.close())
}

func (p *process) close() error {
	var errs []error
	for _, c := range p.clusters {
		errs = append(errs, c.Close())
	}
	for _, a := range p.asides {
		errs = append(errs, a.cluster.Close())
	}
	return errors.Join(errs...)
}
