// Package probe asks a cluster every ten seconds, on connections of its own beside the copy path, what a mirror must know
// to tell the time until something is lost: where logs begin and end, how large they are and how fast they grow, how old
// the records are that wait, what retention topics have, how full the disks are. It remembers a week of traffic across
// restarts. It copies nothing and changes nothing; when it hangs, what it said last stands with its time.
package probe
