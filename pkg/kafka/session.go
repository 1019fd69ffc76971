package kafka

import (
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// sarama renews a SASL session at a random point between 85 and 95 % of its lifetime, when it is next
// asked to send something. So from 85 % on it must be asked now and then, until it has done it.
const (
	renewFrom  = 0.85 // share of the lifetime
	renewEvery = 0.01 // share of the lifetime between two attempts
)

// session is the connection as sarama sees it. It watches the SASL answers that pass, because sarama
// keeps the lifetime that the broker grants to itself.
type session struct {
	*socket

	// Owned by sarama, which sends one SASL request and then reads its answer.
	version int16  // of the SaslAuthenticate request whose answer is awaited; -1 none
	answer  []byte // what was read of it

	mu       sync.Mutex    // guards the rest
	lifetime time.Duration // 0: for ever
	renewAt  time.Time     // when sarama is to be asked next; zero: never
	answers  int           // good SASL answers so far: one per login by PLAIN, two by SCRAM
}

var _ net.Conn = (*session)(nil)

func newSession(s *socket) *session { return &session{socket: s, version: -1} }

// Write passes one request on. sarama writes each in one piece: size, api key, version, ...
func (s *session) Write(p []byte) (int, error) {
	s.version, s.answer = -1, s.answer[:0]
	if len(p) >= 8 && kmsg.Key(binary.BigEndian.Uint16(p[4:])) == kmsg.SASLAuthenticate {
		s.version = int16(binary.BigEndian.Uint16(p[6:]))
	}
	return s.socket.Write(p)
}

// Read passes answers on and looks into those about authentication.
func (s *session) Read(p []byte) (int, error) {
	n, err := s.socket.Read(p)
	if s.version < 0 {
		return n, err
	}
	s.answer = append(s.answer, p[:n]...)
	if len(s.answer) < 4 || len(s.answer)-4 < int(binary.BigEndian.Uint32(s.answer)) {
		return n, err
	}
	granted := kmsg.SASLAuthenticateResponse{Version: s.version}
	s.version = -1
	// An answer that cannot be read is sarama's to report: it decodes the same bytes.
	if decodeErr := decodeAnswer(s.answer[4:], &granted); decodeErr == nil && granted.ErrorCode == 0 {
		s.answered(time.Duration(granted.SessionLifetimeMillis) * time.Millisecond)
	}
	return n, err
}

func (s *session) answered(lifetime time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime, s.renewAt = lifetime, time.Time{} // the last answer of a login has the lifetime
	s.answers++
	if lifetime > 0 {
		s.renewAt = time.Now().Add(time.Duration(renewFrom * float64(lifetime)))
	}
}

// due reports whether sarama should be asked to renew the session, and the number of answers so far.
func (s *session) due() (bool, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.renewAt.IsZero() && !time.Now().Before(s.renewAt), s.answers
}

// asked notes that sarama was asked when there had been so many answers.
func (s *session) asked(answers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == answers { // it found the session not due yet
		s.renewAt = time.Now().Add(time.Duration(renewEvery * float64(s.lifetime)))
	}
}
