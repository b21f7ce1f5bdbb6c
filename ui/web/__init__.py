"""The room in a browser: worklist, film, draft, evidence, conversation, review and sign-off."""
