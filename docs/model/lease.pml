/*
 * The lease of hafailover, for Spin. README.md says what stands for what.
 *
 * Parameters: HOSTS, TERMS and BEATS bound the run; MIXED gives host 0 a longer promise than the others;
 * RESTARTS lets so many agents restart, STRAYS lets so many calls be carried out after they were given up.
 * NO_... takes one rule away.
 */
#ifndef HOSTS
#define HOSTS 2
#endif
#ifndef TERMS
#define TERMS 3
#endif
#ifndef BEATS
#define BEATS 4
#endif
#ifndef STRAYS
#define STRAYS 1
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif

/* Times in ticks. A key is gone GONE ticks after its last proof was sent; the guard begins at FENCE. */
#ifdef MIXED
#define FENCE(h) ((h) == 0 -> 2 : 1)
#else
#define FENCE(h) 1
#endif
#define GONE(h) (FENCE(h) + 1)
#ifdef MIXED
#define LONGEST 3
#else
#define LONGEST 2
#endif
#ifdef NO_MARGIN
#define MARGIN 0
#else
#define MARGIN 1
#endif
#define OLD (LONGEST + MARGIN + 1)
#define NOBODY HOSTS

#ifdef NO_CONFIRMATION
#define CONFIRMED(h) true
#else
#ifdef NO_RETIREMENT
#define CONFIRMED(h) (!host[h].key)
#else
#define CONFIRMED(h) (!host[h].key && !host[h].order)
#endif
#endif

mtype = { idle, waiting, armed, leaving, lost };
mtype = { signing, released, passed };
mtype = { none, flying, done, refused };

/* What a beat or a release says. `id` is its place in Consul's order, 0 for none. */
typedef Beat {
    byte id;
    byte term;
    mtype phase;
    byte gone;
    byte from;        /* of the predecessor, in beats of a holder that has not armed */
    byte from_term;
    byte from_gone
};

typedef Request {
    mtype state;
    byte age;
    bool frees;
    Beat beat
};

typedef Host {
    bool key;         /* in neard's memory */
    byte granted;     /* how long ago the proof was sent that the guard's grant rests on */
    byte key_term;
    bool order;       /* to load the key, on its way from the agent to the guard */
    byte order_age;   /* how long ago the proof was sent that it rests on */
    byte order_term;

    mtype stage;
    byte term;
    bool ever;        /* it has armed in this term */
    byte proof;       /* how long ago its last good beat was sent; OLD: never, or too long ago to matter */
    byte wait;        /* before it may arm */
    byte promise;     /* what its beats promise while it waits */
    byte from;        /* the predecessor's beat, to be handed on */
    byte from_term;
    byte from_gone;
    Request call;     /* the one that it waits for */
    Request stray;    /* one that it has given up, and that may be carried out still */

    byte seen;        /* the beat that its watch has shown last, and for how long it has known it */
    byte seen_age
#ifdef NO_SIGHT_OF_THAT_BEAT
    ; byte seen_term
#endif
};

Host host[HOSTS];
byte holder = NOBODY;
/* Hosts that differ in nothing are numbered by when they first get the lock: this one is next. */
byte newcomer;
#ifdef MIXED
#define FIRST(h) true
#else
#define FIRST(h) ((h) <= newcomer)
#endif
byte index;           /* of the lock: the holder's term */
byte beats;
byte dropped;         /* one bit for each lost term whose key is confirmed gone */
byte restarts;
byte strays;
byte keys;
Beat last;            /* the heartbeat as Consul has it */

inline copy(to, it) {
    to.id = it.id; to.term = it.term; to.phase = it.phase; to.gone = it.gone;
    to.from = it.from; to.from_term = it.from_term; to.from_gone = it.from_gone
}

inline clear(request) {
    request.state = none; request.age = 0; request.frees = false;
    request.beat.id = 0; request.beat.term = 0; request.beat.phase = 0; request.beat.gone = 0;
    request.beat.from = 0; request.beat.from_term = 0; request.beat.from_gone = 0
}

inline send_order(h) {
    host[h].order = true; host[h].order_age = host[h].proof; host[h].order_term = host[h].term
}

inline no_order(h) {
    host[h].order = false; host[h].order_age = 0; host[h].order_term = 0
}

inline load(h) {
    assert(host[h].order_age < FENCE(h));       /* no arming after the deadline */
    printf("host %d: loads the key in term %d\n", h, host[h].order_term);
    host[h].key = true;
    host[h].key_term = host[h].order_term;
    host[h].granted = host[h].order_age;
    no_order(h);
    keys++;
    assert(keys <= 1)                           /* never two signers */
}

inline drop(h) {
    printf("host %d: the key of term %d is gone\n", h, host[h].key_term);
    host[h].key = false;
    host[h].key_term = 0;
    host[h].granted = 0;
    keys--
}

/* What is left to wait for a beat: its promise and the margin, from when this host first saw that very beat. */
inline wait_for(h, beat_id, beat_gone) {
    host[h].wait = beat_gone + MARGIN;
#ifdef NO_LONGER_PROMISE
    host[h].wait = GONE(h) + MARGIN;
#endif
    age = 0;
    if
    :: beat_id != 0 && host[h].seen == beat_id -> age = host[h].seen_age
    :: else
    fi;
    host[h].wait = (host[h].wait > age -> host[h].wait - age : 0);
    age = 0
}

inline begin(h) {
    index++;
    holder = h;
    printf("host %d: takes the lock, term %d\n", h, index);
    host[h].stage = waiting;
    host[h].term = index;
#ifndef MIXED
    if
    :: h == newcomer -> newcomer++
    :: else
    fi;
#endif
    host[h].ever = false;
    host[h].proof = FENCE(h);
    host[h].from = 0; host[h].from_term = 0; host[h].from_gone = 0;
    host[h].promise = GONE(h);
    if
    :: last.id == 0 -> host[h].wait = 0         /* a new pool: nobody has ever had the key */
    :: last.id != 0 && last.phase == released -> host[h].wait = 0
    :: last.id != 0 && last.phase == passed ->
        if
        :: last.from == 0 && last.from_term == 0 -> host[h].wait = 0
        :: last.from_term != 0 ->
            host[h].from = last.from; host[h].from_term = last.from_term;
            host[h].from_gone = last.from_gone
        fi
    :: last.id != 0 && last.phase != released && last.phase != passed ->
        host[h].from = last.id; host[h].from_term = last.term; host[h].from_gone = last.gone
    fi;
    if
    :: host[h].from_term != 0 && (dropped & (1 << host[h].from_term)) ->
        host[h].wait = 0; host[h].from = 0; host[h].from_term = 0; host[h].from_gone = 0
    :: host[h].from_term != 0 && !(dropped & (1 << host[h].from_term)) ->
        wait_for(h, host[h].from, host[h].from_gone);
#ifndef NO_PROMISE_HANDED_ON
        if
        :: host[h].from_gone > host[h].promise -> host[h].promise = host[h].from_gone
        :: else
        fi
#endif
    :: else
    fi;
#ifdef NO_WAIT
    host[h].wait = 0
#endif
}

inline send(h, what, frees_it) {
    clear(host[h].call);
    host[h].call.state = flying;
    host[h].call.frees = frees_it;
    host[h].call.beat.term = host[h].term;
    host[h].call.beat.phase = what;
    /* Nobody reads the promise of a release; always the same, it makes for fewer states. */
    host[h].call.beat.gone = GONE(h);
    if
    :: what == released || what == passed -> host[h].call.beat.gone = 0
    :: what == waiting && !host[h].ever -> host[h].call.beat.gone = host[h].promise
    :: else
    fi;
    if
    :: what == waiting || what == passed ->
        host[h].call.beat.from = host[h].from;
        host[h].call.beat.from_term = host[h].from_term;
        host[h].call.beat.from_gone = host[h].from_gone
    :: else
    fi
}

/* Consul carries a transaction out, in its own order: only while the lock is the sender's, in that very term. */
inline carry_out(h, request, result) {
    freed = false;
    if
#ifdef NO_TERM_IN_A_CALL
    :: holder == h ->
#else
    :: holder == h && index == request.beat.term ->
#endif
        beats++;
        copy(last, request.beat);
        last.id = beats;
        result = done;
        if
        :: request.frees -> holder = NOBODY; freed = true
        :: else
        fi
    :: else -> result = refused
    fi;
#ifndef NO_TERM_IN_A_CALL
    if
    :: freed -> clear(host[h].stray); freed = false
    :: else
    fi
#endif
}

/* A good answer to a beat proves the lease from when the beat was sent, and the guard is granted on. */
inline hear(h) {
#ifdef NO_DEADLINE_FROM_SENDING
    host[h].proof = 0;
#else
    if
    :: host[h].call.age < host[h].proof && host[h].call.beat.term == host[h].term ->
        host[h].proof = host[h].call.age
    :: else
    fi;
#endif
    if
    :: host[h].key && host[h].key_term == host[h].term && host[h].proof < host[h].granted &&
       host[h].granted < FENCE(h) -> host[h].granted = host[h].proof
    :: else
    fi
}

inline forget(h) {
    host[h].stage = idle; host[h].term = 0; host[h].ever = false; host[h].proof = FENCE(h); host[h].wait = 0;
    host[h].promise = 0; host[h].from = 0; host[h].from_term = 0; host[h].from_gone = 0
}

/* What the agent makes of an answer. */
inline answered(h) {
    if
    :: host[h].call.state == done && !host[h].call.frees -> hear(h)
    :: host[h].call.state == refused && !host[h].call.frees ->
        host[h].stage = lost; host[h].proof = FENCE(h); host[h].wait = 0;
        host[h].from = 0; host[h].from_term = 0; host[h].from_gone = 0; host[h].promise = 0
    :: host[h].call.frees -> forget(h)
    fi;
    clear(host[h].call)
}

/* One host: its agent, which may be as slow as it likes between any two steps, and its guard, which may not. */
proctype machine(byte h) {
    byte age;
    bool freed;
    do
    /* The watch shows the heartbeat, sooner or later. Of a holder's own there is nothing to learn. */
    :: atomic { host[h].stage == idle && last.id != 0 && host[h].seen != last.id ->
        host[h].seen = last.id;
#ifdef NO_SIGHT_OF_THAT_BEAT
        /* It notes only when it first saw the term. */
        if
        :: host[h].seen_term != last.term -> host[h].seen_age = 0
        :: else
        fi;
        host[h].seen_term = last.term
#else
        host[h].seen_age = 0
#endif
        }

    :: atomic { holder == NOBODY && host[h].stage == idle && host[h].call.state == none && !host[h].key &&
                index < TERMS && FIRST(h) -> begin(h) }

    /* Beats. A call is given up whenever its sender likes; then it may still be carried out, or not. */
    :: atomic { (host[h].stage == waiting || host[h].stage == armed) && host[h].call.state == none &&
                beats < BEATS ->
        if
        :: host[h].ever -> send(h, signing, false)
        :: else -> send(h, waiting, false)
        fi }
    :: atomic { host[h].call.state == flying && beats < BEATS + 1 ->
        carry_out(h, host[h].call, host[h].call.state)
#ifndef NO_DEADLINE_FROM_SENDING
        ;
        /* The answer is heard, or lost, before anything else happens: to hear it late would change nothing, since
           what it proves counts from the sending, and whatever follows from it may come late anyway. */
        if
        :: answered(h)
        :: clear(host[h].call)
        fi
#endif
        }
#ifdef NO_DEADLINE_FROM_SENDING
    :: atomic { host[h].call.state == done || host[h].call.state == refused -> answered(h) }
    :: atomic { host[h].call.state == done || host[h].call.state == refused -> clear(host[h].call) }
#endif
    :: atomic { host[h].call.state == flying ->
        if
        :: strays < STRAYS && host[h].stray.state == none ->
            strays++;
            host[h].stray.state = flying; host[h].stray.frees = host[h].call.frees;
            copy(host[h].stray.beat, host[h].call.beat)
        :: true
        fi;
        clear(host[h].call) }
    :: atomic { host[h].stray.state == flying && beats < BEATS + 1 ->
        carry_out(h, host[h].stray, host[h].stray.state); clear(host[h].stray) }

    /* Arming, for the first time and after a fence, on a proof that has not run out. */
    :: atomic { host[h].stage == waiting && host[h].wait == 0 && host[h].proof < FENCE(h) &&
                !host[h].key && !host[h].order ->
        host[h].stage = armed; host[h].ever = true; host[h].promise = 0;
        host[h].from = 0; host[h].from_term = 0; host[h].from_gone = 0;
        send_order(h) }
    :: atomic { host[h].stage == armed && host[h].proof < FENCE(h) && !host[h].key && !host[h].order ->
        send_order(h) }
    /* The guard looks at its own clock: the agent may have been frozen when it sent this. */
#ifdef NO_DEADLINE_AT_THE_GUARD
    :: atomic { host[h].order && !host[h].key -> load(h) }
#else
    :: atomic { host[h].order && !host[h].key && host[h].order_age < FENCE(h) -> load(h) }
    :: atomic { host[h].order && host[h].order_age >= FENCE(h) -> no_order(h) }
#endif
#ifndef NO_RETIREMENT
    /* A drop retires the term: whatever came before it in the socket is void. */
    :: atomic { (host[h].stage == leaving || host[h].stage == lost) && host[h].order -> no_order(h) }
#endif

    /* The guard's own clock. It may take until GONE, and no longer: the clock waits for it. */
#ifndef NO_CLOCK_IN_THE_GUARD
    :: atomic { host[h].key && host[h].granted >= FENCE(h) -> drop(h) }
#endif

    /* Giving up the lock: first the key, confirmed gone, then the lock. */
    :: atomic { (host[h].stage == armed || host[h].stage == waiting) && host[h].call.state == none ->
        host[h].stage = leaving; host[h].proof = FENCE(h); host[h].wait = 0 }
    :: atomic { (host[h].stage == leaving || host[h].stage == lost) && host[h].key -> drop(h) }
    :: atomic { host[h].stage == leaving && host[h].call.state == none && CONFIRMED(h) && beats < BEATS ->
        if
        :: host[h].ever -> send(h, released, true)
#ifdef NO_PASSING_ON
        :: else -> send(h, released, true)
#else
        :: else -> send(h, passed, true)
#endif
        fi }
    :: atomic { host[h].stage == lost && CONFIRMED(h) && host[h].call.state == none ->
        if
#ifdef NO_ARMING_BEFORE_DROPPED
        :: true -> dropped = dropped | (1 << host[h].term)
#else
        :: host[h].ever -> dropped = dropped | (1 << host[h].term)
        :: else
#endif
        fi;
        forget(h) }

#ifdef NO_CONSENSUS_FOR_PROOF
    /* A leader from the past answers a renewal. */
    :: atomic { (host[h].stage == armed || host[h].stage == waiting) && host[h].proof <= FENCE(h) ->
        host[h].proof = 0;
        if
        :: host[h].key -> host[h].granted = 0
        :: else
        fi }
#endif

    /* The agent dies and another one starts: it knows nothing, and its guard goes on by what it was granted. */
    :: atomic { restarts < RESTARTS ->
        restarts++;
        if
        :: host[h].call.state == flying && strays < STRAYS && host[h].stray.state == none ->
            strays++;
            host[h].stray.state = flying; host[h].stray.frees = host[h].call.frees;
            copy(host[h].stray.beat, host[h].call.beat)
        :: else
        fi;
        clear(host[h].call);
        forget(h);
        host[h].seen = 0; host[h].seen_age = 0 }
    :: atomic { RESTARTS > 0 && host[h].stage == idle && holder == h ->
        if
        :: host[h].key && host[h].key_term == index ->
            host[h].stage = armed; host[h].ever = true; host[h].term = index
#ifdef NO_END_OF_AN_OLD_TERM
        :: else -> host[h].stage = armed; host[h].ever = true; host[h].term = index
#else
        :: else -> holder = NOBODY
#endif
        fi }
    :: atomic { host[h].stage == idle && holder != h && host[h].key -> drop(h) }
    od
}

/* Consul ends a session: for a lost host, a failed check, a TTL that ran out, or by hand. At any time at all. */
proctype consul() {
    do
    :: atomic { holder != NOBODY -> printf("Consul: the lock is free\n");
#ifndef NO_TERM_IN_A_CALL
        /* The term is over, so it could only be refused. */
        clear(host[holder].stray);
#endif
        holder = NOBODY }
    od
}

#define OLDER(x) x = (x < OLD -> x + 1 : OLD)
/* A proof says nothing any more from FENCE on, a sighting nothing from the longest wait on. */
#define OLDER_TO(x, most) x = (x < most -> x + 1 : most)

inline grow(h) {
    if
    :: host[h].order -> OLDER_TO(host[h].order_age, FENCE(h))
    :: else
    fi;
    if
    :: host[h].key -> OLDER(host[h].granted)
    :: else
    fi;
    if
    :: host[h].stage == waiting || host[h].stage == armed -> OLDER_TO(host[h].proof, FENCE(h))
    :: else
    fi;
    if
    :: host[h].call.state != none && !host[h].call.frees -> OLDER_TO(host[h].call.age, FENCE(h))
    :: else
    fi;
    if
    :: host[h].seen != 0 -> OLDER_TO(host[h].seen_age, LONGEST + MARGIN)
    :: else
    fi;
    host[h].wait = (host[h].wait > 0 -> host[h].wait - 1 : 0)
}

#ifdef NO_CLOCK_IN_THE_GUARD
#define IN_TIME(h) true
#else
#define IN_TIME(h) (!host[h].key || host[h].granted < GONE(h))
#endif

#if HOSTS > 2
#define ALL_IN_TIME (IN_TIME(0) && IN_TIME(1) && IN_TIME(2))
#else
#define ALL_IN_TIME (IN_TIME(0) && IN_TIME(1))
#endif

/* Time goes on for all at once, but not beyond the moment by which a guard must have acted. */
proctype clock() {
    do
    :: atomic { ALL_IN_TIME -> grow(0); grow(1);
#if HOSTS > 2
        grow(2);
#endif
        skip }
    od
}

init {
    byte h;
    atomic {
        do
        :: h < HOSTS ->
            host[h].stage = idle; host[h].proof = FENCE(h);
            clear(host[h].call); clear(host[h].stray);
            h++
        :: else -> break
        od;
        h = 0;
        do
        :: h < HOSTS -> run machine(h); h++
        :: else -> break
        od;
        h = 0;
        run consul();
        run clock()
    }
}
