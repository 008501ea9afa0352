"""Commands: what each verb of the command line does, one module a verb, and what verbs share."""
