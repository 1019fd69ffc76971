package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/pkg/config"
)

// poolTimeout is more than the mirror itself takes for a change to a pool.
const poolTimeout = 30 * time.Second

// poolReport is what the mirror answers of one pool, as far as commands need it.
type poolReport struct {
	Link        string            `json:"link"`
	State       string            `json:"state"`
	Since       *time.Time        `json:"since"`
	Timeout     *float64          `json:"session_timeout_seconds"`
	Incarnation string            `json:"incarnation"`
	Draining    bool              `json:"draining"`
	Owned       int               `json:"owned"`
	Leader      string            `json:"leader"`
	Members     []poolMember      `json:"members"`
	Units       []poolUnit        `json:"units"`
	Unowned     []poolUnit        `json:"unowned"`
	Pins        map[string]string `json:"pins"`
	Problems    []string          `json:"problems"`
}

type poolMember struct {
	Incarnation string `json:"incarnation"`
	Instance    string `json:"instance"`
	Draining    bool   `json:"draining"`
}

// poolUnit is a unit with an owner, or without: then Planned and Why say more.
type poolUnit struct {
	Unit        string     `json:"unit"`
	Topic       string     `json:"topic"`
	Owner       string     `json:"owner"`
	Zone        string     `json:"zone"`
	Incarnation string     `json:"incarnation"`
	Standby     string     `json:"standby"`
	Term        *int64     `json:"term"`
	Since       *time.Time `json:"since"`
	Pinned      string     `json:"pinned"`
	Leaving     bool       `json:"leaving"`
	Planned     string     `json:"planned"`
	Why         string     `json:"why"`
}

// poolChange is the answer to a change: the pool right after it.
type poolChange struct {
	Pool poolReport `json:"pool"`
}

// pools asks for all pools of the mirror.
func (c *control) pools(ctx context.Context) ([]poolReport, error) {
	var report struct{ Pools []poolReport }
	err := c.get(ctx, "/api/v1/pool", &report)
	return report.Pools, err
}

// pool asks for the pool of one link.
func (c *control) pool(ctx context.Context, link string) (poolReport, error) {
	pools, err := c.pools(ctx)
	if err != nil {
		return poolReport{}, err
	}
	i := slices.IndexFunc(pools, func(p poolReport) bool { return p.Link == link })
	if i < 0 {
		return poolReport{}, noPool(link, pools)
	}
	return pools[i], nil
}

// noPool is the error for a link that is in no pool of this mirror, or with "" for a mirror without a pool.
func noPool(link string, pools []poolReport) error {
	var names []string
	for _, p := range pools {
		names = append(names, clean(p.Link))
	}
	if len(names) == 0 {
		which := "no link of this mirror is in a pool"
		if link != "" {
			which = fmt.Sprintf("link %q is in no pool, and no link of this mirror is", link)
		}
		return fmt.Errorf("%s: it has all their topics (mirror status); links with ownership.zookeeper in the configuration share theirs", which)
	}
	return fmt.Errorf("no link %q of this mirror is in a pool%s; those that are: %s", link, config.DidYouMean(link, names), strings.Join(names, ", "))
}

// changePool asks for a change to the pool of a link, and returns it as it is then.
func (c *control) changePool(ctx context.Context, link, what string, request any) (poolReport, error) {
	var answer poolChange
	err := c.ask(ctx, http.MethodPost, fmt.Sprintf("/api/v1/links/%s/pool/%s", url.PathEscape(link), what), request, &answer, poolTimeout)
	return answer.Pool, err
}

// topics returns the topics of the pool, each once, in order.
func (p *poolReport) topics() []string {
	var names []string
	for _, u := range slices.Concat(p.Unowned, p.Units) {
		names = append(names, u.Topic)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// instances returns the members' instances, each once, in order.
func (p *poolReport) instances() []string {
	var names []string
	for _, m := range p.Members {
		names = append(names, m.Instance)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// leader is the instance that plans.
func (p *poolReport) leader() string {
	for _, m := range p.Members {
		if m.Incarnation == p.Leader {
			return m.Instance
		}
	}
	return p.Leader
}

// checkTopic refuses a topic that the pool does not have.
func (p *poolReport) checkTopic(topic string) error {
	known := p.topics()
	if slices.Contains(known, topic) {
		return nil
	}
	return fmt.Errorf("the pool of link %s has no topic %q%s; see: mirror owners %s", p.Link, topic, config.DidYouMean(topic, known), p.Link)
}

// checkInstance refuses an instance that is no member.
func (p *poolReport) checkInstance(instance string) error {
	known := p.instances()
	if slices.Contains(known, instance) {
		return nil
	}
	if len(known) == 0 {
		return errors.New("this mirror is no member of the pool at the moment and does not know who is; see: mirror status")
	}
	return fmt.Errorf("instance %q is no member of the pool of link %s%s; its members are: %s", instance, p.Link, config.DidYouMean(instance, known), clean(strings.Join(known, ", ")))
}

// completePools completes the link of a command, and a topic behind it where the command takes one.
func completePools(path, stateDir *string, topics bool) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch pools := askPools(cmd, *stateDir, *path); {
		case len(args) == 0:
			var names []string
			for _, p := range pools {
				names = append(names, p.Link)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		case len(args) == 1 && topics:
			return ofLink(pools, args[0], (*poolReport).topics), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// askPools asks for what a shell completes. It says nothing where no mirror answers: there is nothing to complete then.
func askPools(cmd *cobra.Command, stateDir, path string) []poolReport {
	c, err := newControl(stateDir, path, cmd.Flags().Changed("config"))
	if err != nil {
		return nil
	}
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	pools, err := c.pools(ctx)
	if err != nil {
		return nil
	}
	return pools
}

func ofLink(pools []poolReport, link string, names func(*poolReport) []string) []string {
	for i := range pools {
		if pools[i].Link == link {
			return names(&pools[i])
		}
	}
	return nil
}
