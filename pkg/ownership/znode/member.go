package znode

import (
	"errors"
	"fmt"
)

// Member is the content of a member's own node.
type Member struct {
	Instance string  `json:"instance"` // 1 to 255 bytes, no control characters
	Zone     string  `json:"zone,omitempty"`
	Capacity float64 `json:"capacity"`       // above 0, to 1000
	Peer     string  `json:"peer,omitempty"` // host:port, empty where it listens for no peers
	Draining bool    `json:"draining,omitempty"`
	// SessionMillis is the timeout of its session: for so long it may go on after a wrong proof of its death. 0: an earlier
	// version does not tell.
	SessionMillis int64 `json:"session_ms,omitempty"`
}

const maxSessionMillis = 24 * 60 * 60 * 1000

type memberForm struct {
	format
	Member
}

// Encode returns the content of the node.
func (m Member) Encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("encode member: %w", err)
	}
	return encode("member", memberForm{format{formatNumber}, m})
}

// DecodeMember reads the content of a member's node.
func DecodeMember(data []byte) (Member, error) {
	var f memberForm
	err := decode(data, &f)
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return Member{}, fmt.Errorf("decode member: %w", err)
	}
	return f.Member, nil
}

func (m Member) check() error {
	if err := checkInstance(m.Instance); err != nil {
		return err
	}
	if err := checkText("zone", m.Zone); err != nil {
		return err
	}
	if err := checkPeer(m.Peer); err != nil {
		return err
	}
	if m.SessionMillis < 0 || m.SessionMillis > maxSessionMillis {
		return fmt.Errorf("session timeout of %d ms is not between 0 and %d", m.SessionMillis, maxSessionMillis)
	}
	if m.Capacity == 0 {
		return errors.New("capacity is 0")
	}
	return checkNumber("capacity", m.Capacity, 0, maxCapacity)
}

// Owner is the content of an owner's node. It is for people: who owns a unit is decided by the session of its node.
type Owner struct {
	Incarnation string `json:"incarnation"`
	Term        int64  `json:"term"` // from 1
}

type ownerForm struct {
	format
	Owner
}

// Encode returns the content of the node.
func (o Owner) Encode() ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("encode owner: %w", err)
	}
	return encode("owner", ownerForm{format{formatNumber}, o})
}

// DecodeOwner reads the content of an owner's node.
func DecodeOwner(data []byte) (Owner, error) {
	var f ownerForm
	err := decode(data, &f)
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return Owner{}, fmt.Errorf("decode owner: %w", err)
	}
	return f.Owner, nil
}

func (o Owner) check() error {
	if o.Term < 1 {
		return fmt.Errorf("term %d is not positive", o.Term)
	}
	_, err := ParseIncarnation(o.Incarnation)
	return err
}

// Ended says how an owner's term ended.
type Ended string

// Ends of terms.
const (
	EndedNot     Ended = ""        // it has not, or nobody knows how
	EndedDrained Ended = "drained" // all that was sent is answered, and the positions are saved
	EndedDead    Ended = "dead"    // the owner's process is proven gone
)

// Term is the content of a unit's term: the newest owner, and how that ended.
type Term struct {
	Term  int64  `json:"term"` // from 1
	Owner string `json:"owner"`
	Ended Ended  `json:"ended"`
	// Wait says that something that an owner before this one sent may still arrive.
	Wait bool `json:"wait"`
}

type termForm struct {
	format
	Term
}

// Encode returns the content of the node.
func (t Term) Encode() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("encode term: %w", err)
	}
	return encode("term", termForm{format{formatNumber}, t})
}

// DecodeTerm reads the content of a unit's term.
func DecodeTerm(data []byte) (Term, error) {
	var f termForm
	err := decodeAll(data, &f)
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return Term{}, fmt.Errorf("decode term: %w", err)
	}
	return f.Term, nil
}

func (t Term) check() error {
	if t.Ended != EndedNot && t.Ended != EndedDrained && t.Ended != EndedDead {
		return fmt.Errorf("end %.20q is unknown", t.Ended)
	}
	return Owner{t.Owner, t.Term}.check()
}

// Pin is the content of a pin: an operator's wish.
type Pin struct {
	Instance string `json:"instance"`
}

type pinForm struct {
	format
	Pin
}

// Encode returns the content of the node.
func (p Pin) Encode() ([]byte, error) {
	if err := checkInstance(p.Instance); err != nil {
		return nil, fmt.Errorf("encode pin: %w", err)
	}
	return encode("pin", pinForm{format{formatNumber}, p})
}

// DecodePin reads the content of a pin.
func DecodePin(data []byte) (Pin, error) {
	var f pinForm
	err := decode(data, &f)
	if err == nil {
		err = checkInstance(f.Instance)
	}
	if err != nil {
		return Pin{}, fmt.Errorf("decode pin: %w", err)
	}
	return f.Pin, nil
}
