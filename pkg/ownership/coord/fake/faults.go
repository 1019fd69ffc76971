package fake

import (
	"time"

	"tributary/pkg/ownership/coord"
)

// Cut takes the client's connection away until Restore. It learns so at once; its session expires when its lease ends.
func (c *Client) Cut() {
	c.ensemble.mu.Lock()
	defer c.ensemble.mu.Unlock()
	c.part(true)
	c.cut = true
}

// Freeze stops the client as SIGSTOP would: calls wait, nothing is learnt, and its session expires when its lease ends.
func (c *Client) Freeze() {
	c.ensemble.mu.Lock()
	defer c.ensemble.mu.Unlock()
	c.part(false)
	c.frozen = true
}

// Restore ends Cut and Freeze. If the session has expired meanwhile there is a new one, and the client learns both.
func (c *Client) Restore() {
	c.ensemble.mu.Lock()
	defer c.ensemble.mu.Unlock()
	c.cut, c.frozen = false, false
	c.meet()
}

// Kill ends the client as SIGKILL would: every call fails, and its session expires when its lease ends.
func (c *Client) Kill() {
	c.ensemble.mu.Lock()
	defer c.ensemble.mu.Unlock()
	c.part(true)
	c.killed = true
	close(c.reach)
	c.reach = make(chan struct{})
}

// Expire ends the session of a client that is connected, and gives it a new one.
func (c *Client) Expire() {
	c.ensemble.mu.Lock()
	defer c.ensemble.mu.Unlock()
	c.ensemble.end(c.state.ID)
	c.meet()
}

// Delay makes every request, every answer take as long as d says, each on its own, so that they overtake each other. nil
// ends that.
func (c *Client) Delay(d func() time.Duration) {
	c.ensemble.mu.Lock()
	defer c.ensemble.mu.Unlock()
	c.delay = d
}

// Drop loses the answer of the next write, once for each call of Drop. With done the write is done before, else it is not.
func (c *Client) Drop(done bool) {
	c.ensemble.mu.Lock()
	defer c.ensemble.mu.Unlock()
	c.drops = append(c.drops, done)
}

// Refuse makes every call fail with err; nil ends that.
func (c *Client) Refuse(err error) {
	c.ensemble.mu.Lock()
	defer c.ensemble.mu.Unlock()
	c.refuse = err
}

// reached says whether the service and the client hear each other. The caller holds mu, as in all below.
func (c *Client) reached() bool {
	return !c.ensemble.down && !c.cut && !c.frozen && !c.killed && c.state.Phase == coord.Connected
}

// part takes note that they do not from now on, and of whether the client learns so.
func (c *Client) part(told bool) {
	if !c.reached() {
		if told && c.frozen {
			return
		}
	} else if s := c.ensemble.sessions[c.state.ID]; s != nil {
		c.ping()
		s.start(time.Until(c.heard.Add(c.timeout)))
	}
	if told && c.state.Phase == coord.Connected {
		c.become(coord.Suspended)
	}
}

// meet lets them hear each other again, if nothing stands between them.
func (c *Client) meet() {
	if c.ensemble.down || c.cut || c.frozen || c.killed || c.state.Phase == coord.Closed {
		return
	}
	s := c.ensemble.sessions[c.state.ID]
	if s == nil {
		c.renew()
	} else {
		s.stop()
	}
	c.heard = time.Now()
	if c.state.Phase != coord.Connected {
		c.become(coord.Connected)
	}
	for w := range c.watches {
		if w.fired {
			c.close(w)
		}
	}
	late := c.late
	c.late = nil
	for _, run := range late {
		run()
	}
	close(c.reach)
	c.reach = make(chan struct{})
}

// renew begins a session; all that the client had under the former one is gone.
func (c *Client) renew() {
	c.forget()
	c.state.ID = c.ensemble.begin(c)
	c.state.Generation++
	c.become(coord.Connected)
}

func (c *Client) become(p coord.Phase) {
	c.state.Phase, c.state.Since = p, time.Now()
	close(c.changed)
	c.changed = make(chan struct{})
	if p == coord.Closed {
		close(c.reach)
		c.reach = make(chan struct{})
	}
}

// ping reckons with the pings of a client that is reached.
func (c *Client) ping() {
	if every := c.timeout / 3; c.reached() {
		c.heard = c.heard.Add(time.Since(c.heard) / every * every)
	}
}

func (c *Client) arm(path string, list bool) <-chan struct{} {
	w := &watch{path: path, list: list, ch: make(chan struct{})}
	c.watches[w] = true
	return w.ch
}

// fire closes the watches of a change, or keeps them until the client is reached again.
func (c *Client) fire(ch change) {
	for w := range c.watches {
		if w.path != ch.path || !(w.list && ch.list || !w.list && ch.data) {
			continue
		}
		if c.reached() {
			c.close(w)
		} else {
			w.fired = true
		}
	}
}

func (c *Client) close(w *watch) {
	delete(c.watches, w)
	close(w.ch)
}

func (c *Client) forget() {
	for w := range c.watches {
		c.close(w)
	}
}
