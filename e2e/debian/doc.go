// Package debian provides programs of Debian packages to tests, so that a test command needs nothing installed by hand.
//
// [Program] and [Unpack] take packages apart in the cache: they need no rights, install nothing and start nothing. What needs its
// dependencies, such as a Java runtime, is installed by [Install], and [Root] makes a minimal Debian to install packages in; both need root.
package debian
