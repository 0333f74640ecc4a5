package mysqld

import (
	"context"
	"fmt"

	"github.com/sqlring/sqlring/pkg/topology"
)

// deed is how one kind of action is done. All of them run alike: look; if the
// result stands already, nothing is done; refuse what is not safe; do it; look
// again.
type deed struct {
	// lacks says what of the result is missing in o, "" if it stands.
	lacks func(o topology.Observation, a topology.Action) string
	// refuse says why the action would be wrong in the state o, "" if it is not.
	refuse func(o topology.Observation, a topology.Action) string
	// run changes the member.
	run func(ctx context.Context, w work, o topology.Observation, a topology.Action) error
}

func (mariaDB) deedOf(k topology.ActionKind) (deed, bool) {
	switch k {
	case topology.ActPrepare:
		return deed{lacksPrepare, refusePrepare, runPrepare}, true
	case topology.ActFollow:
		return deed{lacksFollow, refuseFollow, runFollow}, true
	case topology.ActDetach:
		return deed{lacksDetach, refuseDetach, runDetach}, true
	case topology.ActAdopt:
		return deed{lacksAdopt, refuseAdopt, runAdopt}, true
	}
	return commonDeed(k)
}

// commonDeed returns the deeds that both flavours do alike, but for a word.
func commonDeed(k topology.ActionKind) (deed, bool) {
	switch k {
	case topology.ActStopReceiver:
		return deed{lacksStopReceiver, refuseStopReceiver, runStopReceiver}, true
	case topology.ActArm:
		return deed{lacksArm, refuseArm, runArm}, true
	case topology.ActDisarm:
		return deed{lacksDisarm, refuseNothing, runDisarm}, true
	case topology.ActOpen:
		return deed{lacksOpen, refuseOpen, runOpen}, true
	case topology.ActClose:
		return deed{lacksClose, refuseNothing, runClose}, true
	case topology.ActStamp:
		return deed{lacksStamp, refuseStamp, runStamp}, true
	case topology.ActExpel:
		return deed{lacksNothing, refuseNothing, runExpel}, true
	case topology.ActReadTail:
		return deed{lacksNothing, refuseTail, runTail}, true
	case topology.ActSchema:
		return deed{lacksSchema, refuseNothing, runSchema}, true
	case topology.ActStart:
		return deed{lacksStart, refuseNothing, runStart}, true
	case topology.ActReplay:
		return deed{lacksNothing, refuseTail, runReplay}, true
	case topology.ActRetire:
		return deed{lacksRetire, refuseRetire, runRetire}, true
	case topology.ActEvents:
		return deed{lacksEvents, refuseEvents, runEventOrder}, true
	case topology.ActSlot:
		return deed{lacksSlot, refuseSlot, runSlot}, true
	case topology.ActEndOlder:
		return deed{lacksNothing, refuseEndOlder, runEndOlder}, true
	case topology.ActSlots:
		return deed{lacksSlots, refuseSlots, runSlots}, true
	case topology.ActSeize:
		return deed{lacksNothing, refuseNothing, nil}, true // who acts has the hands
	case topology.ActPrepare, topology.ActFollow, topology.ActDetach, topology.ActAdopt, topology.ActNone,
		topology.ActCopy, topology.ActEndCopy: // a copy is made on connections of its own
	}
	return deed{}, false
}

func (d mariaDB) act(ctx context.Context, w work, a topology.Action) error {
	return act(ctx, w, a, d.deedOf)
}

func act(ctx context.Context, w work, a topology.Action, deedOf func(topology.ActionKind) (deed, bool)) error {
	d, ok := deedOf(a.Kind)
	if !ok {
		return fmt.Errorf("this release does not do action %q on %s", a.Kind, w.version.Flavour)
	}
	switch a.Kind {
	case topology.ActDisarm:
		// Looking first would take a list that the server locks while it ends the
		// earlier connection of an acker, for seconds, and which this frees.
		if err := switchSemiSync(ctx, w.conn, false); err != nil {
			return err
		}
	case topology.ActClose:
		// It is right whatever is seen, and in a move writes wait for it: a look takes as
		// long as the rest.
		if err := runClose(ctx, w, topology.Observation{Settings: topology.Settings{ReadOnlyInFile: w.readOnlyInFile}}, a); err != nil {
			return err
		}
	}
	before, err := w.member.ask(ctx, w.conn, topology.Observation{Member: w.member.id})
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	verified := a.Kind == topology.ActExpel || a.Kind == topology.ActEndOlder || a.Kind == topology.ActReadTail || a.Kind == topology.ActReplay // by their own run
	if !verified && d.lacks(before, a) == "" {
		return nil
	}
	if why := d.refuse(before, a); why != "" {
		return fmt.Errorf("%w: %s", ErrPrecondition, why)
	}
	if err := d.run(ctx, w, before, a); err != nil {
		return err
	}
	after, err := w.member.ask(ctx, w.conn, topology.Observation{Member: w.member.id})
	if err != nil {
		return fmt.Errorf("read state back: %w", err)
	}
	if missing := d.lacks(after, a); missing != "" {
		return fmt.Errorf("%w: %s", ErrNotVerified, missing)
	}
	return nil
}

func lacksNothing(topology.Observation, topology.Action) string { return "" }

func refuseNothing(topology.Observation, topology.Action) string { return "" }

// stranger says that a server is not the one that an action is meant for, "" if it
// is: it was restarted, or given another identity, since the action was decided.
// An action without an identity is meant for whatever server is there.
func stranger(o topology.Observation, a topology.Action) string {
	if a.Identity == 0 {
		return ""
	}
	return identified(o, a)
}

// identified says why a server must not write or follow anybody yet, "" if it carries
// the identity that was issued to it, which a names. That it carries one does not do:
// a restarted MariaDB has what its config file says, which may be a server_id that is
// the gtid_domain_id too, and has lost every other setting (S99). A restarted MySQL has
// lost the mark that it was prepared; its server_id is seen as 0.
func identified(o topology.Observation, a topology.Action) string {
	mysql := o.Version.Flavour == topology.FlavourMySQL
	switch {
	case a.Identity == 0:
		return "it is not said which identity was issued to it"
	case mysql && o.ServerID == 0:
		return fmt.Sprintf("it does not carry the identity that was issued to it, %d: it was not prepared since it was started", a.Identity)
	case mysql && o.ServerID != a.Identity:
		return fmt.Sprintf("it does not carry the identity that was issued to it, %d: its server_id is %d", a.Identity, o.ServerID)
	case !mysql && (o.ServerID != a.Identity || o.Domain != a.Identity):
		return fmt.Sprintf("it does not carry the identity that was issued to it, %d: its server_id is %d, its gtid_domain_id %d; it was restarted, or not prepared yet", a.Identity, o.ServerID, o.Domain)
	}
	return ""
}
