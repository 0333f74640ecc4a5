package balancer

// transaction reads what begins, ends or divides a transaction.
func (x *extraction) transaction(verb string) {
	next := x.peek(0)
	switch verb {
	case "begin":
		if !x.ended() && !next.is("work") {
			x.unknown() // a block of MariaDB: BEGIN NOT ATOMIC
			return
		}
		x.begin()
	case "start":
		if !next.is("transaction") {
			x.facts.Verb, x.facts.Complete = VerbAdmin, false
			x.add(EffectProcess, EffectCommits)
			x.replicates(verb)
			return
		}
		x.begin()
		if x.peek(1).is("with", "read") && (!x.peek(2).is("write") || x.peek(3).kind == ',') {
			x.add(EffectSnapshot)
		}
	case "commit":
		x.facts.Verb = VerbCommit
		x.chain()
	case "rollback":
		x.facts.Verb = VerbRollback
		if next.is("to") || next.is("work") && x.peek(1).is("to") {
			x.facts.Verb = VerbSavepoint
			x.add(EffectSavepoint)
		}
		x.chain()
	case "savepoint", "release":
		x.facts.Verb = VerbSavepoint
		x.add(EffectSavepoint)
	case "xa":
		x.facts.Verb, x.facts.Complete = VerbXA, false
		x.add(EffectXA)
		x.xa()
	}
}

func (x *extraction) begin() {
	x.facts.Verb = VerbBegin
	x.add(EffectTransaction, EffectCommits)
}

// chain reads AND CHAIN, behind which a transaction is open.
func (x *extraction) chain() {
	for i := x.at; i < len(x.items); i++ {
		if x.items[i].is("chain") && !x.items[i-1].is("no") {
			x.add(EffectTransaction)
		}
	}
}

// use reads USE.
func (x *extraction) use() {
	x.facts.Verb = VerbUse
	x.add(EffectSchema)
	if !x.peek(0).isName() {
		x.unknown()
		return
	}
	x.facts.Schema = x.peek(0).name
}

// prepared reads PREPARE, EXECUTE and DEALLOCATE PREPARE: what they run is in a string.
func (x *extraction) prepared(verb string) {
	x.facts.Verb, x.facts.Complete = VerbPrepare, false
	x.add(EffectTextPrepare)
	if verb == "execute" {
		x.add(EffectUnknown)
	}
	x.spoken()
	x.scan()
}

// lock reads LOCK, UNLOCK, BACKUP, HANDLER and FLUSH.
func (x *extraction) lock(verb string) {
	next := x.peek(0)
	x.facts.Verb, x.facts.Complete = VerbLock, false
	switch verb {
	case "lock", "unlock":
		if next.is("instance") {
			x.add(EffectBackupLock)
			if verb == "unlock" {
				x.facts.Ends = EffectsOf(EffectBackupLock)
			}
			return
		}
		x.add(EffectTableLocks, EffectCommits)
		x.at++
		for verb == "lock" && x.peek(0).isName() {
			schema, name := x.qualified()
			start := x.at
			for !x.ended() && x.peek(0).kind != ',' {
				x.at++
			}
			written := false
			for _, t := range x.items[start:x.at] {
				written = written || t.is("write")
			}
			x.addTable(schema, name, written)
			x.at++
		}
		x.facts.Complete = verb == "unlock" || len(x.facts.Tables) > 0
	case "backup":
		x.backup()
	case "handler":
		x.facts.Verb = VerbHandler
		x.add(EffectHandler)
		if next.isName() {
			schema, name := x.qualified()
			x.addTable(schema, name, false)
		}
		switch {
		case x.peek(0).is("open"):
			x.facts.Begins = EffectsOf(EffectHandler)
		case x.peek(0).is("close"):
			x.facts.Ends = EffectsOf(EffectHandler)
		}
	case "flush":
		x.facts.Verb = VerbAdmin
		x.add(EffectProcess, EffectCommits)
		for i := x.at; i < len(x.items); i++ {
			if x.items[i].is("lock", "export") {
				x.add(EffectGlobalReadLock)
			}
		}
	}
}

// backup reads MariaDB's BACKUP. A session may have both, a lock and a stage.
func (x *extraction) backup() {
	what := x.peek(0)
	effect := EffectBackupLock
	if what.named("stage") {
		effect = EffectBackupStage
	}
	x.add(effect)
	if what.is("unlock") || what.named("stage") && x.peek(1).is("end") {
		x.facts.Ends = EffectsOf(effect)
	}
}
