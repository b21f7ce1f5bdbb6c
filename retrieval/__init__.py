"""Similar prior reports: public corpora, a sentence encoder and a FAISS index over both."""
