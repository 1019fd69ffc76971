package znode

import (
	"errors"
	"fmt"

	"tributary/pkg/mirror/protocol"
)

// Identities is the content of a topic's identities, by source partition.
type Identities map[int32]protocol.Identity

type identitiesForm struct {
	format
	Topic      string                      `json:"topic"`
	By         string                      `json:"by,omitempty"`
	Partitions map[int32]protocol.Identity `json:"partitions"`
}

// Encode returns the content of the node of a source topic, as written by an incarnation: of two that write the same, as both may
// take the same epoch, each has to know which write was done.
func (ids Identities) Encode(topic, by string) ([]byte, error) {
	if err := ids.check(topic); err != nil {
		return nil, fmt.Errorf("encode identities of topic %.300q: %w", topic, err)
	}
	if ids == nil {
		ids = Identities{}
	}
	return encode("identities of topic "+topic, identitiesForm{format{formatNumber}, topic, by, ids})
}

// DecodeIdentities reads the content of the node of a source topic, which must be of this topic, and who wrote it, "" where an
// earlier version did.
func DecodeIdentities(topic string, data []byte) (ids Identities, by string, err error) {
	var f identitiesForm
	err = decodeAll(data, &f)
	if err == nil && f.Topic != topic {
		err = fmt.Errorf("it is of topic %.300q", f.Topic)
	}
	if err == nil && f.Partitions == nil {
		err = errors.New("partitions are missing") // none would be made anew
	}
	if err == nil {
		err = Identities(f.Partitions).check(topic)
	}
	if err == nil && f.By != "" {
		_, err = ParseIncarnation(f.By)
	}
	if err != nil {
		return nil, "", fmt.Errorf("decode identities of topic %.300q: %w", topic, err)
	}
	return f.Partitions, f.By, nil
}

func (ids Identities) check(topic string) error {
	if err := checkTopic(topic); err != nil {
		return err
	}
	for partition, id := range ids {
		if partition < 0 || partition >= maxPartitions {
			return fmt.Errorf("partition %d is not from 0 to %d", partition, maxPartitions-1)
		}
		if err := checkIdentity(id); err != nil {
			return fmt.Errorf("partition %d: %w", partition, err)
		}
	}
	return nil
}

func checkIdentity(id protocol.Identity) error {
	if err := checkTopic(id.DestTopic); err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	for what, text := range map[string]string{"source cluster": id.SourceCluster, "source topic's id": id.SourceTopicID,
		"destination cluster": id.DestCluster, "destination topic's id": id.DestTopicID} {
		if err := checkText(what, text); err != nil {
			return err
		}
	}
	if id.DestPartition < 0 || id.ProducerID < 0 || id.SourceEpochs < 0 || id.Epoch < 0 || id.Start < 0 || id.Rebuilt < 0 || id.Generation < 0 {
		return fmt.Errorf("a negative number in %+v", id)
	}
	for _, p := range []protocol.Position{id.Base, id.Floor} {
		if p.Source < 0 || p.SourceEpoch < -1 || p.ProducerID < 0 || p.Epoch < 0 || p.Sequence < 0 || p.Dest < 0 || p.DestEpoch < -1 || p.Generation < 0 {
			return fmt.Errorf("a negative number in position %+v", p)
		}
	}
	return nil
}
