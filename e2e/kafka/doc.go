// Package kafka starts real Kafka brokers, ZooKeeper servers and MirrorMaker 2 as local processes for tests, and
// breaks them on demand: SIGKILL, SIGSTOP, restart on the same ports and data, and a proxy in front of every broker
// that cuts, swallows, delays, throttles or resets connections.
//
// It owns the jars (resolved by Maven from the pinned pom.xml into a cache), the processes, their ports, their
// directories and the proxies. It never talks to anything but loopback, and it knows nothing of the program under test.
//
// The usual entry is [New], which ties a [Cluster] to a test; [Start] is the same for programs. Every process dies
// with the process that started it, however that ends.
package kafka
