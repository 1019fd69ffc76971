package kafka

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// maxSCRAMIterations bounds the work that a server can ask of us; Kafka's default is 4096.
const maxSCRAMIterations = 1 << 20

// scram is the client's side of one SCRAM exchange (RFC 5802, without channel binding) as
// sarama.SCRAMClient. Like Kafka itself it does not normalise names and passwords.
type scram struct {
	hash func() hash.Hash

	password    string
	nonce       string
	firstBare   string
	serverProof []byte // the signature that the server must end with
	step        int
}

// Begin takes the credentials; an authorization id other than the user is not supported.
func (s *scram) Begin(user, password, authzID string) error {
	if authzID != "" {
		return errors.New("SCRAM with an authorization id is not supported")
	}
	escaped := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user)
	s.password, s.nonce, s.step = password, rand.Text(), 0
	s.firstBare = "n=" + escaped + ",r=" + s.nonce
	return nil
}

// Step answers the server's message with ours. The first one has no challenge.
func (s *scram) Step(challenge string) (string, error) {
	s.step++
	switch s.step {
	case 1:
		return "n,," + s.firstBare, nil
	case 2:
		return s.final(challenge)
	case 3:
		return "", s.verify(challenge)
	}
	return "", errors.New("SCRAM exchange is over")
}

// Done reports whether the server has proved itself.
func (s *scram) Done() bool { return s.step >= 3 }

// final computes our proof from the server's first message.
func (s *scram) final(serverFirst string) (string, error) {
	fields := scramFields(serverFirst)
	nonce := fields["r"]
	if !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return "", errors.New("SCRAM server did not extend our nonce")
	}
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	if err != nil {
		return "", fmt.Errorf("decode SCRAM salt: %w", err)
	}
	iterations, err := strconv.Atoi(fields["i"])
	if err != nil || iterations < 1 || iterations > maxSCRAMIterations {
		return "", fmt.Errorf("SCRAM iteration count %q is not from 1 to %d", fields["i"], maxSCRAMIterations)
	}
	salted, err := pbkdf2.Key(s.hash, s.password, salt, iterations, s.hash().Size())
	if err != nil {
		return "", fmt.Errorf("derive SCRAM key: %w", err)
	}
	withoutProof := "c=biws,r=" + nonce
	message := s.firstBare + "," + serverFirst + "," + withoutProof

	clientKey := s.mac(salted, "Client Key")
	stored := s.hash()
	stored.Write(clientKey)
	proof := s.mac(stored.Sum(nil), message)
	subtle.XORBytes(proof, proof, clientKey)
	s.serverProof = s.mac(s.mac(salted, "Server Key"), message)
	return withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

// verify checks the server's signature: only one that knows the password's key can make it.
func (s *scram) verify(serverFinal string) error {
	fields := scramFields(serverFinal)
	if refusal, ok := fields["e"]; ok {
		return fmt.Errorf("SCRAM server refused: %s", refusal)
	}
	signature, err := base64.StdEncoding.DecodeString(fields["v"])
	if err != nil {
		return fmt.Errorf("decode SCRAM server signature: %w", err)
	}
	if !hmac.Equal(signature, s.serverProof) {
		return errors.New("SCRAM server signature is wrong: the server does not know this user's password")
	}
	return nil
}

func (s *scram) mac(key []byte, message string) []byte {
	m := hmac.New(s.hash, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

// scramFields splits a=x,b=y; the values may contain "=".
func scramFields(message string) map[string]string {
	fields := make(map[string]string)
	for field := range strings.SplitSeq(message, ",") {
		if name, value, ok := strings.Cut(field, "="); ok {
			fields[name] = value
		}
	}
	return fields
}
