"""The app: photos in, what each detector's box head believes out. ``streamlit run app/main.py``."""
