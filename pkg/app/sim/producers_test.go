package sim

import (
	"reflect"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kfake"
)

// kfake never forgets a producer, and brokers do: the two functions here reach for its memory of one, which it keeps in
// unexported fields. They are to be called where kfake's own loop stands still, which is in a control function or in
// between requests of a partition. The tests beside them fail when kfake keeps that memory in another way.

// window returns kfake's memory of a producer on a partition; the zero value when there is none.
func window(c *kfake.Cluster, at producerAt) reflect.Value {
	producer := reflect.ValueOf(c).Elem().FieldByName("pids").FieldByName("ids").MapIndex(reflect.ValueOf(at.id))
	if !producer.IsValid() {
		return reflect.Value{}
	}
	partitions := producer.Elem().FieldByName("windows").MapIndex(reflect.ValueOf(at.topic))
	if !partitions.IsValid() {
		return reflect.Value{}
	}
	found := partitions.MapIndex(reflect.ValueOf(at.partition))
	if !found.IsValid() {
		return reflect.Value{}
	}
	return reflect.NewAt(found.Type().Elem(), found.UnsafePointer()).Elem()
}

// forget lets the cluster know nothing of a producer, which then may begin with any sequence.
func forget(c *kfake.Cluster, at producerAt) bool {
	w := window(c, at)
	if !w.IsValid() {
		return false
	}
	w.SetZero()
	return true
}

// rememberLast lets the cluster know the last batch of a producer only, as a broker does that was restarted.
func rememberLast(c *kfake.Cluster, at producerAt) bool {
	w := window(c, at)
	if !w.IsValid() || w.FieldByName("count").Uint() < 2 {
		return false
	}
	entries, next, count := w.FieldByName("entries"), uint8Of(w.FieldByName("at")), uint8Of(w.FieldByName("count"))
	size := uint8(entries.Len())
	first, last := entries.Index(0), entries.Index(int((*next+size-1)%size))
	kept := reflect.New(last.Type()).Elem()
	kept.Set(reflect.NewAt(last.Type(), unsafe.Pointer(last.UnsafeAddr())).Elem())
	reflect.NewAt(first.Type(), unsafe.Pointer(first.UnsafeAddr())).Elem().Set(kept)
	*next, *count = 1, 1
	return true
}

func uint8Of(field reflect.Value) *uint8 { return (*uint8)(unsafe.Pointer(field.UnsafeAddr())) }
