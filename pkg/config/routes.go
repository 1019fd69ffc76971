package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// maxSamples bounds how many topic names are tried.
	maxSamples = 2000
	// maxRouteSteps bounds the work of the whole check; a configuration that needs more is refused.
	maxRouteSteps = 1_000_000
	// hopSteps is what following a link costs, in units of looking at one.
	hopSteps = 10
)

// sameClusters gives every cluster one name for all that share a broker address with it.
func sameClusters(clusters map[string]Cluster) map[string]string {
	names := slices.Sorted(maps.Keys(clusters))
	leader := make(map[string]string, len(names))
	find := func(name string) string {
		for leader[name] != name {
			name = leader[name]
		}
		return name
	}
	byBroker := map[string]string{}
	for _, name := range names {
		leader[name] = name
		for _, broker := range clusters[name].Brokers {
			key := normalAddress(broker)
			if other, ok := byBroker[key]; ok {
				leader[find(name)] = find(other)
			} else {
				byBroker[key] = name
			}
		}
	}
	for _, name := range names {
		leader[name] = find(name)
	}
	return leader
}

// hop is a link as the route check sees it.
type hop struct {
	index int
	to    string
	*TopicFilter
}

// place is a topic of a cluster.
type place struct{ cluster, topic string }

// routeCheck follows topics through the links. A record that comes to one topic on two ways would be doubled; one
// that passes a link twice would circle for ever, be it under ever longer names.
type routeCheck struct {
	from  map[string][]hop // by cluster
	names []string         // of links, by index
	steps int
}

// routes tries topic names the links' own patterns suggest. It refuses only what a named topic proves wrong, so it
// can miss a loop that only regular expressions make, and loops through another process.
func (k *checker) routes(c *Config, same map[string]string) {
	if !canMeet(c.Links, same) {
		return
	}
	check := routeCheck{from: map[string][]hop{}}
	for i, link := range c.Links {
		filter, err := link.Filter()
		if err != nil {
			k.add(fmt.Sprintf("links[%d].topics", i), "%v", err)
			return
		}
		cluster := same[link.From]
		check.from[cluster] = append(check.from[cluster], hop{i, same[link.To], filter})
		check.names = append(check.names, link.Name)
	}
	reported := map[int]bool{}
	for _, cluster := range slices.Sorted(maps.Keys(check.from)) {
		for _, topic := range samples(c.Links) {
			index, problem := check.follow(place{cluster, topic})
			if problem != "" && !reported[index] {
				reported[index] = true
				k.add(fmt.Sprintf("links[%d]", index), "%s", problem)
			}
			if check.steps > maxRouteSteps {
				return
			}
		}
	}
}

// canMeet says whether any record can come to one place on two ways: not when no cluster is both source and
// destination and no two links join the same clusters, as in a fan-in of any size.
func canMeet(links []Link, same map[string]string) bool {
	sources, joined := map[string]bool{}, map[[2]string]bool{}
	for _, link := range links {
		ends := [2]string{same[link.From], same[link.To]}
		if joined[ends] {
			return true
		}
		joined[ends], sources[ends[0]] = true, true
	}
	return slices.ContainsFunc(links, func(link Link) bool { return sources[same[link.To]] })
}

// follow traces one topic and returns the first link that does wrong with it, and what.
func (r *routeCheck) follow(origin place) (link int, problem string) {
	reached := map[place][]int{origin: nil} // the links passed on the way there
	var visit func(at place, path []int) (int, string)
	visit = func(at place, path []int) (int, string) {
		for _, next := range r.from[at.cluster] {
			if r.steps++; r.steps > maxRouteSteps {
				return next.index, "is part of more links and topics than can be checked for loops; split the configuration"
			}
			if !next.Match(at.topic) {
				continue
			}
			r.steps += hopSteps
			topic, err := next.Rename(at.topic)
			if err != nil {
				continue
			}
			there, way := place{next.to, topic}, append(slices.Clip(path), next.index)
			before, twice := reached[there]
			if slices.Contains(path, next.index) || twice && isPrefix(before, way) {
				return next.index, fmt.Sprintf("closes a loop: topic %s of cluster %s would circle through %s for ever; exclude or rename it on the way back",
					origin.topic, origin.cluster, r.describe(way))
			}
			if twice {
				return next.index, fmt.Sprintf("doubles records: topic %s of cluster %s would reach topic %s of %s through %s and through %s",
					origin.topic, origin.cluster, topic, next.to, r.describe(before), r.describe(way))
			}
			reached[there] = way
			if index, problem := visit(there, way); problem != "" {
				return index, problem
			}
		}
		return 0, ""
	}
	return visit(origin, nil)
}

// isPrefix says whether the way begins with the links that led to a place before, so that it went in a circle.
func isPrefix(before, way []int) bool {
	return len(before) <= len(way) && slices.Equal(before, way[:len(before)])
}

// describe names the links of a way.
func (r *routeCheck) describe(way []int) string {
	names := make([]string, len(way))
	for i, index := range way {
		names[i] = r.names[index]
	}
	return strings.Join(names, ", ")
}

// samples returns topic names that the links' patterns match, shortest ways first: each pattern with its wildcards
// left out and filled, and each two globs joined, which is what both of ev* and *nts match.
func samples(links []Link) []string {
	var out, globs []string
	for _, link := range links {
		for _, text := range link.Topics.Include {
			switch {
			case isRegexp(text):
				out = append(out, regexpSamples(text[1:len(text)-1])...)
			case isGlob(text):
				globs = append(globs, text)
			default:
				out = append(out, text)
			}
		}
	}
	empty := strings.NewReplacer("*", "", "?", "x")
	filled := strings.NewReplacer("*", "x", "?", "x")
	slices.Sort(globs)
	globs = slices.Compact(globs)
	for _, glob := range globs {
		out = append(out, empty.Replace(glob), filled.Replace(glob))
	}
	for _, a := range globs {
		for _, b := range globs {
			if len(out) >= 2*maxSamples {
				break
			}
			if a != b {
				out = append(out, empty.Replace(a)+empty.Replace(b))
			}
		}
	}
	slices.Sort(out)
	out = slices.DeleteFunc(slices.Compact(out), func(name string) bool { return !isName(name) })
	return out[:min(len(out), maxSamples)]
}
