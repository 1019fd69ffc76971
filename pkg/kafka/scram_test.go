package kafka

import (
	"crypto/sha256"
	"strings"
	"testing"
)

// The exchange of RFC 7677, section 3.
const (
	rfcNonce       = "rOprNGfwEbeRWgbNEkqO"
	rfcServerFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfcClientFinal = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

// rfcClient stands after its first message.
func rfcClient() *scram {
	return &scram{hash: sha256.New, password: "pencil", nonce: rfcNonce, firstBare: "n=user,r=" + rfcNonce, step: 1}
}

func TestSCRAMFollowsRFC(t *testing.T) {
	client := rfcClient()
	got, err := client.Step(rfcServerFirst)
	if err != nil || got != rfcClientFinal {
		t.Fatalf("got %q, %v, want %q", got, err, rfcClientFinal)
	}
	if client.Done() {
		t.Fatal("done before the server has proved itself")
	}
	if _, err := client.Step(rfcServerFinal); err != nil || !client.Done() {
		t.Fatalf("server's proof: got %v, done %v", err, client.Done())
	}
	if _, err := client.Step("more"); err == nil {
		t.Error("a fourth message was accepted")
	}
}

func TestSCRAMRefusesServer(t *testing.T) {
	tests := []struct{ name, first, final, want string }{
		{"foreign nonce", strings.Replace(rfcServerFirst, "r=rO", "r=XX", 1), "", "nonce"},
		{"nonce not extended", "r=" + rfcNonce + ",s=W22Z,i=4096", "", "nonce"},
		{"bad salt", "r=" + rfcNonce + "x,s=*,i=4096", "", "salt"},
		{"no iterations", "r=" + rfcNonce + "x,s=W22Z,i=0", "", "iteration"},
		{"endless iterations", "r=" + rfcNonce + "x,s=W22Z,i=2000000000", "", "iteration"},
		{"refusal", rfcServerFirst, "e=invalid-proof", "invalid-proof"},
		{"wrong proof", rfcServerFirst, "v=AAAA", "does not know"},
		{"no proof", rfcServerFirst, "", "does not know"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := rfcClient()
			_, err := client.Step(tt.first)
			if err == nil {
				_, err = client.Step(tt.final)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestSCRAMBegin(t *testing.T) {
	client := &scram{hash: sha256.New}
	if err := client.Begin("a=b,c", "p", ""); err != nil {
		t.Fatalf("Begin: %v", err)
	}
	got, err := client.Step("")
	if err != nil || !strings.HasPrefix(got, "n,,n=a=3Db=2Cc,r=") {
		t.Errorf("got %q, %v, want the user escaped", got, err)
	}
	if err := client.Begin("u", "p", "other"); err == nil {
		t.Error("an authorization id was accepted")
	}
}
