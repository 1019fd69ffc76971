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

	"tributary/pkg/api"
	"tributary/pkg/config"
)

// poolTimeout is more than the mirror itself takes for a change to a pool.
const poolTimeout = 30 * time.Second

// poolChange is the answer to a change: the pool right after it.
type poolChange struct {
	Pool api.Pool `json:"pool"`
}

// pools asks for all pools of the mirror.
func (c *control) pools(ctx context.Context) ([]api.Pool, error) {
	var report api.Pools
	err := c.get(ctx, "/api/v1/pool", &report)
	return report.Pools, err
}

// pool asks for the pool of one link.
func (c *control) pool(ctx context.Context, link string) (api.Pool, error) {
	pools, err := c.pools(ctx)
	if err != nil {
		return api.Pool{}, err
	}
	i := slices.IndexFunc(pools, func(p api.Pool) bool { return p.Link == link })
	if i < 0 {
		return api.Pool{}, noPool(link, pools)
	}
	return pools[i], nil
}

// noPool is the error for a link that is in no pool of this mirror, or with "" for a mirror without a pool.
func noPool(link string, pools []api.Pool) error {
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
func (c *control) changePool(ctx context.Context, link, what string, request any) (api.Pool, error) {
	var answer poolChange
	err := c.ask(ctx, http.MethodPost, fmt.Sprintf("/api/v1/links/%s/pool/%s", url.PathEscape(link), what), request, &answer, poolTimeout)
	return answer.Pool, err
}

// poolTopics returns the topics of the pool, each once, in order.
func poolTopics(p *api.Pool) []string {
	var names []string
	for _, u := range p.Unowned {
		names = append(names, u.Topic)
	}
	for _, u := range p.Units {
		names = append(names, u.Topic)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// poolInstances returns the members' instances, each once, in order.
func poolInstances(p *api.Pool) []string {
	var names []string
	for _, m := range p.Members {
		names = append(names, m.Instance)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// poolLeader is the instance that plans.
func poolLeader(p *api.Pool) string {
	for _, m := range p.Members {
		if m.Incarnation == p.Leader {
			return m.Instance
		}
	}
	return p.Leader
}

// checkTopic refuses a topic that the pool does not have.
func checkTopic(p *api.Pool, topic string) error {
	known := poolTopics(p)
	if slices.Contains(known, topic) {
		return nil
	}
	return fmt.Errorf("the pool of link %s has no topic %q%s; see: mirror owners %s", p.Link, topic, config.DidYouMean(topic, known), p.Link)
}

// checkInstance refuses an instance that is no member.
func checkInstance(p *api.Pool, instance string) error {
	known := poolInstances(p)
	if slices.Contains(known, instance) {
		return nil
	}
	if len(known) == 0 {
		return errors.New("this mirror is no member of the pool at the moment and does not know who is; see: mirror status")
	}
	return fmt.Errorf("instance %q is no member of the pool of link %s%s; its members are: %s", instance, p.Link, config.DidYouMean(instance, known), clean(strings.Join(known, ", ")))
}

// completePools completes the link of a command, and a topic behind it where the command takes one.
func completePools(path *string, at *reach, topics bool) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		switch pools := askPools(cmd, at, *path); {
		case len(args) == 0:
			var names []string
			for _, p := range pools {
				names = append(names, p.Link)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		case len(args) == 1 && topics:
			return ofLink(pools, args[0], poolTopics), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// askPools asks for what a shell completes. It says nothing where no mirror answers: there is nothing to complete then.
func askPools(cmd *cobra.Command, at *reach, path string) []api.Pool {
	c, err := at.control(cmd, path)
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

func ofLink(pools []api.Pool, link string, names func(*api.Pool) []string) []string {
	for i := range pools {
		if pools[i].Link == link {
			return names(&pools[i])
		}
	}
	return nil
}
