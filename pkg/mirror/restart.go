package mirror

import (
	"context"
	"sync"
	"time"

	"tributary/pkg/mirror/protocol"
)

// restart asks for the partition to be started anew from the store. It is called under the pipeline's lock.
func (l *Link) restart(p *Pipeline) { l.restarts <- p }

// restartAtOnce is how many partitions are started anew at a time.
const restartAtOnce = 8

// restarter starts single partitions anew: a compacted source after doubt, or a fenced producer.
func (l *Link) restarter(ctx context.Context) {
	var g sync.WaitGroup
	defer g.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-l.restarts:
			g.Go(func() { l.startAgain(ctx, p) })
		}
	}
}

func (l *Link) startAgain(ctx context.Context, p *Pipeline) {
	t, err := l.topic(p.source.Topic)
	if err != nil {
		p.DestTrouble(ErrorOther, err.Error()) // cannot be: the topic is running
		return
	}
	ctx, cancel := during(ctx, p.tenant.life)
	defer cancel()
	for wait := startRetryMin; ctx.Err() == nil; wait = min(2*wait, startRetryMax) {
		err := within(ctx, l.restarting, startTopicTime, func(ctx context.Context) error {
			if err := l.saveOne(ctx, p); err != nil {
				return err
			}
			return t.restart(ctx, p)
		})
		if err == nil || ctx.Err() != nil {
			return
		}
		p.DestTrouble(ErrorOther, err.Error())
		l.log.Warn("partition not started again", "topic", p.source.Topic, "partition", p.source.Partition, "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (l *Link) saveOne(ctx context.Context, p *Pipeline) error {
	now := time.Now()
	at, ok := p.takePosition(now, 0)
	if !ok {
		return nil
	}
	if err := l.commit(ctx, map[TopicPartition]protocol.Position{p.source: at}); err != nil {
		return err
	}
	p.savedPosition(at, now)
	return nil
}
