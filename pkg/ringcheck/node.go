package ringcheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// nodeChecks are those that only `sqlring doctor` runs.
func nodeChecks() []Check {
	node := func(name string, severity Severity, looks, why string, run func(f *Facts, n *Node) []hit) Check {
		return Check{Name: name, Severity: severity, Looks: looks, Why: why, node: run}
	}
	ofMembers := func(c Check, needs ...Part) Check {
		c.needs = needs
		return c
	}
	return []Check{
		node("node-config", Critical, "the node's file, as it is now, is without a fault", "the node would not start again", nodeConfig),
		node("node-leader", Critical, "a node leads", "nobody heals the ring, and no change can be made", nodeLeader),
		node("node-quorum", Critical, "there are 1, 3 or 5 voters, and the loss of one would be borne", "with two voters the loss of either stops changes and, under fence, writes", nodeQuorum),
		node("node-peers", Warning, "every other node's port can be reached from here", "a node that is not reached has no lease: its clients' writes wait", nodePeers),
		node("node-raft", Critical, "raft runs on this node, and its log is small", "a node that has left raft knows nothing new", nodeRaft),
		ofMembers(node("node-clock", Warning, "the node's clock agrees with those of most members", "times in the audit are wrong, and certificates may count as expired or not yet valid", nodeClock), PartClock),
		node("node-certificates", Critical, "no certificate that the node uses expires within 30 days", "nodes and clients turn each other away when it has expired", nodeCertificates),
		node("node-disk", Critical, "the disk of the node's directory has room: 10 % and 512 MiB", "raft can not write its log: the node leaves the majority", nodeDisk),
		node("node-open-files", Warning, "the node is not near its limit of open files, which allows 4096 clients", "each client takes two: more are refused", nodeOpenFiles),
		node("node-lag", Warning, "no member lags", "reads go to fewer members, or to the owner alone; a heal waits for it", nodeLag),
		node("node-stuck", Critical, "nothing waits for a person", "the ring does not get well by itself", nodeStuck),
		node("node-violations", Critical, "what is seen of the members agrees with what is meant", "somebody or something changes members behind the ring's back", nodeViolations),
		node("node-pools", Warning, "clients and their queue are far below the limits", "more clients are refused (1040)", nodePools),
		node("node-refusals", Notice, "clients that were refused since the start, by reason", "an application may be configured wrongly, or somebody guesses passwords", nodeRefusals),
		node("node-errors", Warning, "fewer than 1 % of the commands end in an error, and no outcome was unknown", "an application fails, or does not know what happened to its writes", nodeErrors),
		node("node-links", Warning, "connections to members are not lost", "the network, or a member's limits, break them: each may cost a client its transaction", nodeLinks),
	}
}

func nodeConfig(_ *Facts, n *Node) []hit {
	hits := make([]hit, len(n.ConfigFaults))
	for i, fault := range n.ConfigFaults {
		hits[i] = hit{object: "config file", found: fault, mend: "sqlring config check FILE says all that is wrong"}
	}
	return hits
}

func nodeLeader(_ *Facts, n *Node) []hit {
	if n.Leader != "" {
		return nil
	}
	return []hit{{object: "raft", found: "this node knows of no leader", mend: "sqlring raft peers on each node: start those that are down"}}
}

func nodeQuorum(_ *Facts, n *Node) []hit {
	voters, lost := 0, 0
	for _, p := range n.Peers {
		if p.Part != "observer" {
			voters++
			if p.Error != "" && !p.Self {
				lost++
			}
		}
	}
	switch {
	case voters%2 == 0 && voters > 0:
		return []hit{hit{object: "raft", found: fmt.Sprintf("there are %d voters", voters), mend: "add a voter, on a third host or as a witness (docs/nodes.md)"}.as(Warning)}
	case voters == 1:
		return []hit{hit{object: "raft", found: "this node is the only one", mend: "three nodes go on when one is lost: docs/nodes.md"}.as(Notice)}
	case lost > 0 && voters-lost-1 < voters/2+1:
		return []hit{{object: "raft", found: fmt.Sprintf("%d of %d voters are not reached: one more, and nothing can be changed", lost, voters), mend: "start them, or put others in their place: docs/nodes.md"}}
	}
	return nil
}

func nodePeers(_ *Facts, n *Node) []hit {
	var hits []hit
	for _, p := range n.Peers {
		if p.Error != "" && !p.Self {
			hits = append(hits, hit{object: "node " + p.Name, found: p.Error, mend: "start it, or let its raft port through the firewall; gone for good: sqlring raft remove " + p.Name})
		}
	}
	return hits
}

func nodeRaft(_ *Facts, n *Node) []hit {
	if n.RaftError != "" {
		return []hit{{object: "raft", found: n.RaftError, mend: "docs/nodes.md, \"A node has lost its disk, or its log is damaged\""}}
	}
	if n.LogBytes > 256<<20 {
		return []hit{hit{object: "raft", found: fmt.Sprintf("its log has %d MiB", n.LogBytes>>20), mend: "restart the node: it takes a snapshot; if it grows again, report it"}.as(Warning)}
	}
	return nil
}

// nodeClock: the members' clocks are the witnesses; if most of them agree that the node
// is off, it is.
func nodeClock(f *Facts, _ *Node) []hit {
	var ahead []time.Duration
	for _, m := range f.Members {
		if _, missing := m.Unread[PartClock]; !missing {
			ahead = append(ahead, m.Clock.Ahead)
		}
	}
	if len(ahead) < 2 {
		return nil
	}
	slices.Sort(ahead)
	median := ahead[len(ahead)/2]
	if len(ahead)%2 == 0 && ahead[len(ahead)/2-1].Abs() < median.Abs() {
		median = ahead[len(ahead)/2-1]
	}
	if median.Abs() <= time.Second {
		return nil
	}
	return []hit{{object: "clock", found: fmt.Sprintf("most members' clocks differ from the node's by %s", median.Round(time.Millisecond)), mend: "have NTP (chrony, systemd-timesyncd) run on the node's host"}}
}

func nodeCertificates(f *Facts, n *Node) []hit {
	var hits []hit
	for _, c := range n.Certificates {
		left := c.Until.Sub(f.At)
		h := hit{object: c.File, mend: "sqlring tls cert create makes a new one; put it over the old (docs/nodes.md, docs/tls.md)"}
		switch {
		case c.Error != "":
			h.found = c.Error
		case left <= 0:
			h.found = "it expired on " + c.Until.UTC().Format(time.DateOnly)
		case left < 30*24*time.Hour:
			h.found = "it expires on " + c.Until.UTC().Format(time.DateOnly)
			if left > 7*24*time.Hour {
				h = h.as(Warning)
			}
		default:
			continue
		}
		hits = append(hits, h)
	}
	return hits
}

func nodeDisk(_ *Facts, n *Node) []hit {
	if n.Disk == nil {
		return []hit{hit{object: "disk", found: "how full the disk of the node's directory is can not be read", mend: "df on the node's host"}.as(Warning)}
	}
	d := *n.Disk
	h := hit{object: d.Path, found: fmt.Sprintf("%d MiB of %d MiB are free", d.Free>>20, d.Total>>20), mend: "make room on the disk of the node's dir"}
	switch {
	case d.Free < 128<<20:
		return []hit{h}
	case d.Free < 512<<20 || d.Free*10 < d.Total && d.Free < 10<<30:
		return []hit{h.as(Warning)}
	}
	return nil
}

func nodeOpenFiles(_ *Facts, n *Node) []hit {
	if n.OpenFilesLimit == 0 || n.OpenFiles*100 < n.OpenFilesLimit*80 && n.OpenFilesLimit >= 2*4096 {
		return nil
	}
	return []hit{{object: "open files", found: fmt.Sprintf("%d of %d are open", n.OpenFiles, n.OpenFilesLimit), mend: "LimitNOFILE=65536 in the node's service, and restart it"}}
}

func nodeLag(_ *Facts, n *Node) []hit {
	var hits []hit
	for _, l := range n.Levels {
		if l.Level == "fresh" {
			continue
		}
		h := hit{object: "member " + l.Member, found: l.Level + ": " + l.Why, mend: "sqlring lag shows the hop to blame"}
		if l.Level == "broken" || l.Level == "drain" {
			h = h.as(Critical)
		}
		hits = append(hits, h)
	}
	return hits
}

func nodeStuck(_ *Facts, n *Node) []hit {
	if n.Stuck == "" {
		return nil
	}
	return []hit{{object: "operation", found: n.Stuck, mend: "sqlring why"}}
}

func nodeViolations(_ *Facts, n *Node) []hit {
	hits := make([]hit, len(n.Violations))
	for i, v := range n.Violations {
		hits[i] = hit{object: "ring", found: v, mend: "sqlring status says what to type"}
	}
	return hits
}

func nodePools(_ *Facts, n *Node) []hit {
	p := n.Proxy
	switch {
	case p == nil || p.MaxSessions <= 0:
		return nil
	case p.Sessions*100 >= p.MaxSessions*80:
		return []hit{{object: "proxy", found: fmt.Sprintf("%d of %d sessions", p.Sessions, p.MaxSessions), mend: "raise proxy.limits.sessions in the node's file, or add a node"}}
	case p.Queued*2 > p.Sessions && p.Queued > 10:
		return []hit{{object: "proxy", found: fmt.Sprintf("statements of %d of %d sessions wait", p.Queued, p.Sessions), mend: "sqlring status: has every unit an owner?"}}
	}
	return nil
}

func nodeRefusals(_ *Facts, n *Node) []hit {
	if n.Proxy == nil {
		return nil
	}
	var hits []hit
	for _, reason := range slices.Sorted(maps.Keys(n.Proxy.Refused)) {
		if count := n.Proxy.Refused[reason]; count > 0 {
			hits = append(hits, hit{object: reason, found: fmt.Sprintf("%d clients were refused", count), mend: "the node's log names them: " + strings.TrimSpace("refused … reason="+reason)})
		}
	}
	return hits
}

func nodeErrors(_ *Facts, n *Node) []hit {
	p := n.Proxy
	if p == nil {
		return nil
	}
	var hits []hit
	if p.Queries >= 1000 && p.Errors*100 > p.Queries {
		hits = append(hits, hit{object: "proxy", found: fmt.Sprintf("%d of %d commands ended in an error", p.Errors, p.Queries), mend: "the applications' logs say which"})
	}
	if p.OutcomesUnknown > 0 {
		hits = append(hits, hit{object: "proxy", found: fmt.Sprintf("%d statements were answered 08007: nobody knows whether they happened", p.OutcomesUnknown), mend: "sqlring event list shows what happened to the ring then"})
	}
	return hits
}

func nodeLinks(_ *Facts, n *Node) []hit {
	p := n.Proxy
	if p == nil || p.LinksLost < 10 || p.LinksLost*20 < p.Links {
		return nil
	}
	return []hit{{object: "proxy", found: fmt.Sprintf("%d of %d connections to members were lost", p.LinksLost, p.Links), mend: "look at wait_timeout, max_connections and the network between node and members"}}
}
