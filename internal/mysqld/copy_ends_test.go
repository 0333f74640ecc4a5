package mysqld

import (
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// A copy that takes its time to end keeps nobody from looking at it, or at other members.
func TestMembersAreAskedWhileACopyEnds(t *testing.T) {
	told, ended := make(chan struct{}), make(chan struct{})
	f, err := NewFleet(Config{Node: "n1", ManagerUser: "manager", ManagerPassword: "x", ReplicationUser: "replication", ReplicationPassword: "x"})
	if err != nil {
		t.Fatal(err)
	}
	m := topology.Member{ID: "m1", Addr: "127.0.0.1:1"}
	filled := f.Member(m)
	filled.copy.job.Store(&copyJob{
		ended: ended, stop: func(error) { close(told) },
		said: topology.CopyProgress{ID: 7, State: topology.CopyRunning},
	})
	stopped := make(chan struct{})
	go func() { defer close(stopped); f.StopCopies() }()
	<-told
	looked := make(chan *topology.CopyProgress)
	go func() { looked <- f.Member(m).copy.seen() }()
	select {
	case said := <-looked:
		if said == nil || said.ID != 7 {
			t.Errorf("seen: %+v", said)
		}
	case <-time.After(10 * time.Second):
		t.Error("who looks waits for the end of the copy")
	}
	select {
	case <-stopped:
		t.Error("it was not waited for the end of the copy")
	default:
	}
	close(ended)
	<-stopped
	if t.Failed() {
		<-looked
	} else if said := filled.copy.seen(); said != nil {
		t.Errorf("a copy that was stopped is seen: %+v", said)
	}
}

// Whether a server can be copied from is asked of servers that are no members yet, in the plan of a
// ring: the fleet keeps none of them.
func TestNothingStaysOfWhatIsLookedAt(t *testing.T) {
	f, err := NewFleet(Config{Node: "n1", ManagerUser: "manager", ManagerPassword: "x", ReplicationUser: "replication", ReplicationPassword: "x"})
	if err != nil {
		t.Fatal(err)
	}
	found := f.CheckCopy(t.Context(), topology.CopyInquiry{Source: topology.Member{ID: "m1", Addr: "127.0.0.1:1"}, Target: topology.Member{ID: "m2", Addr: "127.0.0.1:1"}})
	if len(found) == 0 || len(f.members) != 0 {
		t.Errorf("found %+v, kept %d", found, len(f.members))
	}
}
