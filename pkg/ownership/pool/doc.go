// Package pool is one member of a pool of mirrors that share the topics of a link. It keeps what is known of the others, says
// which units this process mirrors, and stores the identities of their partitions where every member finds them.
package pool
