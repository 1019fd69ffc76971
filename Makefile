# The targets of the README and of CI. `make test` provisions what it needs: Kafka and ZooKeeper from Maven Central.
GO ?= go

.PHONY: demo build test lint unit e2e e2e-full packages packages-test faults pool soak sim bench verify-bench fuzz clean

demo: build                     ## edge, region and home in one process on simulated brokers
	bin/mirror demo

build:                          ## the one binary, static
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/mirror ./cmd/mirror

packages:                       ## deb and rpm in dist/, for amd64 and arm64; VERSION=1.2.3 names the version
	GO=$(GO) packaging/build.sh dist

packages-test:                  ## they install, upgrade, remove and purge in a clean Debian; as root
	E2E_PACKAGES=1 $(GO) test -count=1 -timeout 15m -run 'Package|RPM' -v ./e2e/packaging

test: lint unit e2e             ## everything that CI runs

lint:                           ## formatting, vet, and the direction of imports
	test -z "$$(gofmt -l cmd pkg e2e)" || { gofmt -d cmd pkg e2e; exit 1; }
	$(GO) vet ./...
	$(GO) test ./e2e/arrows

unit:                           ## pure logic and components on simulated brokers, the ZooKeeper client on real servers; under the race detector
	$(GO) test -race -shuffle=on $$($(GO) list ./... | grep -v /e2e)

e2e: build                      ## the claims, on real Kafka and ZooKeeper
	$(GO) run ./e2e/kafka/provision
	$(GO) test -count=1 -p 2 -parallel 3 -timeout 29m -skip '^TestPoolManyTopics$$' ./e2e/...

e2e-full: build                 ## the same in the sizes of a release: a million records, a hundred kills, long outages
	$(GO) run ./e2e/kafka/provision
	E2E_FULL=1 $(GO) test -count=1 -timeout 3h -v ./e2e

faults: build                   ## every fault of the catalogue; writes docs/faults.md
	$(GO) run ./e2e/kafka/provision
	FAULTS=all $(GO) test -count=1 -timeout 2h -run '^Test(Faults|Losses|LossesByElection|PowerCuts|CompactedTopics|OldFormats|Pool.*)$$' -v ./e2e

pool: build                     ## every member of a pool killed, frozen and cut off twenty times; ZooKeeper broken in every way
	$(GO) run ./e2e/kafka/provision
	E2E_FULL=1 $(GO) test -count=1 -timeout 2h -run '^TestPool' -v ./e2e

soak: build                     ## crash loops for an hour
	$(GO) run ./e2e/kafka/provision
	SOAK=1h $(GO) test -count=1 -timeout 90m -run 'TestCrash' -v ./e2e

sim:                            ## a thousand hours of outages in simulated time; SEED=n repeats one plan
	SIM_HOURS=$${SIM_HOURS:-1000} $(GO) test -count=1 -timeout 6h -run TestOutages -v ./pkg/app/sim

bench: build                    ## cost and speed beside MirrorMaker 2, franz-go and sarama
	$(GO) run ./e2e/kafka/provision
	$(GO) run ./e2e/bench

verify-bench: build             ## mirror verify on 50 million records: rate and peak memory
	$(GO) run ./e2e/kafka/provision
	VERIFY_BENCH=50000000 $(GO) test -count=1 -timeout 30m -run '^TestVerifyBench$$' -v ./e2e

fuzz:                           ## every fuzz target for ten minutes, or FUZZTIME each
	for t in batch:FuzzSplit batch:FuzzRecoder batch:FuzzUpgrade config:FuzzParse config:FuzzTopics heartbeat:FuzzRecord journal:FuzzJournal status:FuzzAdminRequest mirror/protocol:FuzzParsePosition ownership/peer:FuzzGreeting ownership/zookeeper:FuzzServerSays \
		ownership/znode:FuzzDecode verify:FuzzCanonical verify:FuzzRecords verify:FuzzReport; do \
		$(GO) test -run xxx -fuzz "$${t#*:}$$" -fuzztime $${FUZZTIME:-10m} "./pkg/$${t%:*}" || exit 1; done

clean:
	rm -rf bin dist
