// Package eligible decides whether this host may take new traffic: whether what is produced here has a fair chance to get away
// before its Kafka loses it. It fails open: what is not known changes nothing, and a cause that the hosts share empties no pool. It
// stops no mirroring.
package eligible
