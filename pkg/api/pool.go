package api

import "time"

// PoolConnected is the state of a pool's session that is well. The others are connecting, suspended and closed.
const PoolConnected = "connected"

// PoolSummary is what the status tells of the pool of a link.
type PoolSummary struct {
	State       string     `json:"state"`
	Since       *time.Time `json:"since"`
	Incarnation string     `json:"incarnation"` // of this process as a member, "" while it is none
	Leader      string     `json:"leader"`      // instance
	Members     int        `json:"members"`
	Owned       int        `json:"owned"`   // units of this process
	Unowned     *int       `json:"unowned"` // null while this process is no member
	Draining    bool       `json:"draining"`
	Problems    []string   `json:"problems"`
}

// Pools is the answer of /api/v1/pool: of each link that is shared, what this member knows at this moment. A number or time that
// is unknown is null.
type Pools struct {
	Instance string `json:"instance"`
	Pools    []Pool `json:"pools"`
}

// Pool is one pool as a member sees it.
type Pool struct {
	Link            string            `json:"link"`
	State           string            `json:"state"` // of the session with ZooKeeper
	Since           *time.Time        `json:"since"`
	SessionTimeout  *float64          `json:"session_timeout_seconds"`
	SessionsExpired int               `json:"sessions_expired"`
	Incarnation     string            `json:"incarnation"` // "" while it is no member
	Draining        bool              `json:"draining"`
	Owned           int               `json:"owned"`  // units of this member
	Leader          string            `json:"leader"` // incarnation
	Members         []Member          `json:"members"`
	Units           []Unit            `json:"units"`
	Unowned         []Unowned         `json:"unowned"` // while this process is no member: what it does not know the owner of
	Pins            map[string]string `json:"pins"`    // topic to instance
	Failover        *Failover         `json:"failover"`
	Evictions       int               `json:"evictions"`
	LastEviction    *Eviction         `json:"last_eviction"`
	Problems        []string          `json:"problems"`
}

// Member is a process of a pool.
type Member struct {
	Incarnation string  `json:"incarnation"`
	Instance    string  `json:"instance"`
	Zone        string  `json:"zone"`
	Capacity    float64 `json:"capacity"`
	Draining    bool    `json:"draining"`
	Peer        string  `json:"peer"` // stream to it: none, open, silent, broken
	Units       int     `json:"units"`
}

// Unit is a topic, or a range of its partitions, that has an owner.
type Unit struct {
	Unit        string     `json:"unit"`
	Topic       string     `json:"topic"`
	Part        int        `json:"part"` // 1 to of
	Of          int        `json:"of"`   // 1: the whole topic
	Owner       string     `json:"owner"`
	Zone        string     `json:"zone"`
	Incarnation string     `json:"incarnation"`
	Standby     string     `json:"standby"`
	Term        int64      `json:"term"`
	Since       *time.Time `json:"since"`
	Pinned      string     `json:"pinned"` // instance that it is pinned to, "" none
	Leaving     bool       `json:"leaving"`
}

// Unowned is a unit that has no owner.
type Unowned struct {
	Unit    string     `json:"unit"`
	Topic   string     `json:"topic"`
	Part    int        `json:"part"`
	Of      int        `json:"of"`
	Planned string     `json:"planned"` // instance that is to have it
	Standby string     `json:"standby"`
	Since   *time.Time `json:"since"`
	Pinned  string     `json:"pinned"`
	Why     string     `json:"why"`
}

// Failover is a take-over of what a member had that is gone.
type Failover struct {
	At      time.Time `json:"at"`
	Seconds float64   `json:"seconds"` // from when the owner was seen gone to the last claim
	From    string    `json:"from"`
	Units   int       `json:"units"`
}

// Eviction is the removal of a process that was proven dead.
type Eviction struct {
	At          time.Time `json:"at"`
	Instance    string    `json:"instance"`
	Incarnation string    `json:"incarnation"`
}
