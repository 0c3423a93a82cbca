"""``make real``: what changes of signer cost a validator on a real neard, by the duties that it did."""
